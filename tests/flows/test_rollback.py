"""A rollback goes to a whole model, and the gateway is seen to follow."""

import pytest

from flows.rollback import rollback
from healing.errors import UsageError
from healing.release import Reason
from healing.verdict import Outcome
from tasks.releasing.rollback import NothingToRollBackTo
from tests.flows.release_bench import Bench, make_bench
from tests.published import PIPELINE, bootstrap, corrupt, end_trial, start_canary


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    return make_bench(tmp_path, monkeypatch)


def promoted(bench, *models):
    """The first model bootstrapped, each later one promoted over it; no fallback kept warm."""
    bootstrap(bench.root, models[0])
    for model in models[1:]:
        start_canary(bench.root, model, 0.5)
        end_trial(bench.root, reason=Reason.PROMOTE, champion=model)


def test_past_a_corrupt_predecessor_to_the_last_whole_one(bench):
    oldest, middle, champion = (bench.publish(seed) for seed in (1, 2, 3))
    promoted(bench, oldest, middle, champion)
    corrupt(bench.root, middle)
    outcome = rollback(PIPELINE, reason="drill", incident_id="why")
    assert outcome.champion == oldest.digest
    assert outcome.verified is Outcome.INCONCLUSIVE
    assert (bench.current.reason, bench.current.note, bench.current.incident_id) == (Reason.ROLLBACK, "drill", "why")


def test_to_a_named_version(bench):
    oldest, middle, champion = (bench.publish(seed) for seed in (1, 2, 3))
    promoted(bench, oldest, middle, champion)
    assert rollback(PIPELINE, to=oldest.version).champion == oldest.digest
    with pytest.raises(UsageError, match="champion already"):
        rollback(PIPELINE, to=oldest.digest)
    with pytest.raises(UsageError, match=r"no earlier model is called '9.9.9'"):
        rollback(PIPELINE, to="9.9.9")


def test_nothing_is_written_when_no_earlier_model_is_whole(bench):
    older, champion = bench.publish(1), bench.publish(2)
    promoted(bench, older, champion)
    corrupt(bench.root, older)
    with pytest.raises(NothingToRollBackTo):
        rollback(PIPELINE)
    assert bench.current.champion == champion


def test_the_gateway_follows_and_gives_the_golden_answers(bench):
    older, champion = bench.publish(1), bench.publish(2)
    promoted(bench, older, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(3)
        outcome = rollback(PIPELINE)
        assert outcome.verified is Outcome.PASS, outcome
        assert gateway.ask().headers["x-model-digest"] == older.digest
