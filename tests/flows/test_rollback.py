"""The rollback flow: which model becomes champion, and whether the gateway serves it."""

from dataclasses import replace

import pytest

from flows.rollback import rollback
from healing.errors import RegistryUnavailable, UsageError
from healing.release import Reason
from healing.verdict import Outcome
from tasks.rollout.release_events import republish_events
from tasks.rollout.rollback import NothingToRollBackTo
from tasks.runtime import crash_points as points
from tasks.training import mlflow_aliases
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


def test_a_corrupt_predecessor_is_skipped(bench):
    oldest, middle, champion = (bench.publish(seed) for seed in (1, 2, 3))
    promoted(bench, oldest, middle, champion)
    corrupt(bench.root, middle)
    outcome = rollback(PIPELINE, reason="drill", incident_id="why")
    assert outcome.champion == oldest.digest
    assert outcome.verified is Outcome.INCONCLUSIVE
    assert (bench.current.reason, bench.current.note, bench.current.incident_id) == (Reason.ROLLBACK, "drill", "why")


def test_a_rollback_to_a_named_version(bench):
    oldest, middle, champion = (bench.publish(seed) for seed in (1, 2, 3))
    promoted(bench, oldest, middle, champion)
    assert rollback(PIPELINE, to=oldest.version).champion == oldest.digest
    with pytest.raises(UsageError, match="champion already"):
        rollback(PIPELINE, to=oldest.digest)
    with pytest.raises(UsageError, match=r"no earlier model is called '9.9.9'"):
        rollback(PIPELINE, to="9.9.9")


def test_nothing_is_written_when_no_earlier_model_is_intact(bench):
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


def test_a_model_that_fails_live_after_the_commit_is_replaced_by_the_next(bench, monkeypatch):
    first, warm, champion = (bench.publish(seed) for seed in (1, 2, 3))
    promoted(bench, first, champion)
    bench.log.append(replace(bench.current, generation=4, reason=Reason.REPUBLISH, fallbacks=(warm,)))

    def corrupt_once(point, **_):
        if point == "rollback.committed" and bench.current.champion == first:
            corrupt(bench.root, first)  # after the check in this process, before the gateway loads it

    monkeypatch.setattr(points, "reached", corrupt_once)
    with bench.serve() as gateway:
        gateway.wait_for_generation(4)
        gateway.wait_for_worker(warm.digest)
        outcome = rollback(PIPELINE)
        assert (outcome.champion, outcome.verified) == (warm.digest, Outcome.PASS), outcome
        assert gateway.ask().headers["x-model-digest"] == warm.digest
    assert [release.champion for release in bench.log.history()[3:]] == [champion, first, warm]
    assert [fence.digest for fence in bench.current.fenced] == [champion.digest, first.digest]
    assert "became champion by rollback and failed" in bench.current.note


def test_a_rollback_away_from_a_former_champion_writes_nothing(bench):
    older, champion = bench.publish(1), bench.publish(2)
    promoted(bench, older, champion)
    first = rollback(PIPELINE, away_from=champion.digest)
    again = rollback(PIPELINE, away_from=champion.digest)
    assert (again.generation, again.champion) == (first.generation, older.digest)


def test_mlflow_is_updated_to_the_release_when_it_answers_again(bench, monkeypatch):
    older, champion = bench.publish(1, mlflow_model_version="1"), bench.publish(2, mlflow_model_version="2")
    promoted(bench, older, champion)
    mirrored, answers = [], iter((RegistryUnavailable("MLflow is down"), None))

    def mirror(_uri, _pipeline, release, _root):
        error = next(answers)
        if error is not None:
            raise error
        mirrored.append(release.champion)

    monkeypatch.setattr(mlflow_aliases, "mirror_aliases", mirror)
    rollback(PIPELINE)
    assert mirrored == []
    republish_events(bench.settings, PIPELINE)
    republish_events(bench.settings, PIPELINE)  # a second call mirrors nothing
    assert mirrored == [older]
