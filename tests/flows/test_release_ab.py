"""A/B tests on a real gateway: clients stay with their arm, and policy, person, check or time ends the test."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import httpx
import pytest

from flows.release import release
from healing.ab_effect import ABDecision
from healing.release import Reason
from tasks.config.ab_section import ABChanges
from tasks.rollout.approval import ApprovalAnswer, answer_rollout
from tasks.rollout.progress import RolloutProgress
from tasks.rollout.rollout import ReleaseOutcome, RolloutResult
from tasks.rollout.rollout_status import read_rollout_status
from tests.flows.release_bench import Bench, make_bench
from tests.gateway.running import RunningGateway, split_body, wait_until
from tests.published import PIPELINE, bootstrap, raising_estimator, tiny_rows

pytestmark = pytest.mark.timeout(300)

# A client is settled 0.36 s after its first request: 0.18 s of its own, and 0.18 s for its outcome.
SECTION = """{stages: [{mode: canary, weight: 0.5, requests_min: 20, deadline_seconds: 60}],
  ab: {outcome: revenue, client_hours: 0.00005, outcome_hours: 0.00005}}
outcomes: {revenue: {low: 0, high: 10, absent: 0}}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[Bench, RunningGateway]]:
    """A gateway for all tests; each releases a model of its own against the champion of that time."""
    with pytest.MonkeyPatch.context() as patched:
        bench = make_bench(tmp_path_factory.mktemp("ab"), patched, SECTION)
        bootstrap(bench.root, bench.publish(1))
        with bench.serve() as gateway:
            gateway.wait_for_generation(1)
            yield bench, gateway


@contextmanager
def shoppers(gateway: RunningGateway, *, better: str = "", carrier: str | None = None) -> Iterator[dict[str, set[str]]]:
    """Clients that send two requests each and report a revenue: 8 where the version `better` answered, else 2.

    Yields the versions that answered each client.
    """
    answered: dict[str, set[str]] = defaultdict(set)
    stop = threading.Event()
    row = [carrier or "AA", *tiny_rows(1)[0][1:]]

    def shop() -> None:
        with httpx.Client(base_url=gateway.predict.base_url, timeout=30) as client:
            for number in range(100_000):
                if stop.wait(0.002):
                    return
                name = f"shopper {number // 2}"
                response = client.post("/invocations", json=split_body([row]), headers={"x-route-key": name})
                assert response.status_code == 200, response.text
                version = response.headers["x-model-version"]
                answered[name].add(version)
                value = {"name": "revenue", "value": 8.0 if version == better else 2.0}
                outcome = {"request_id": response.headers["x-request-id"], **value}
                client.post("/feedback", json={"outcomes": [outcome]}).raise_for_status()

    thread = Thread(target=shop)
    thread.start()
    try:
        yield answered
    finally:
        stop.set()
        thread.join()


class Running:
    """An A/B test whose controller runs in a thread."""

    def __init__(self, bench: Bench, digest: str, **changes: object) -> None:
        self.outcome: ReleaseOutcome | None = None
        self._bench = bench
        self._thread = Thread(target=self._run, args=(digest, ABChanges.model_validate(changes)))
        self._thread.start()

    def _run(self, digest: str, changes: ABChanges) -> None:
        self.outcome = release(PIPELINE, digest, ab=changes)

    def progress(self) -> RolloutProgress | None:
        return read_rollout_status(self._bench.root, self._bench.settings.ledger_dsn, PIPELINE).progress

    def has_clients(self) -> bool:
        progress = self.progress()
        return progress is not None and progress.ab is not None and progress.ab.challenger_clients > 0

    def ended(self) -> ReleaseOutcome:
        self._thread.join(240)
        assert self.outcome is not None, f"the A/B test has not ended; {self.progress()}"
        return self.outcome


def test_a_better_challenger_is_promoted_by_policy_and_every_client_stays_with_its_arm(served):
    bench, gateway = served
    before, candidate = bench.current.generation, bench.publish(2)
    with shoppers(gateway, better=candidate.version) as answered:
        outcome = release(PIPELINE, candidate.digest, ab=ABChanges(ends="when_decided", effect_min=1.0))
    assert outcome.result is RolloutResult.PROMOTED, outcome
    assert outcome.ab is not None
    assert outcome.ab.decision is ABDecision.BETTER
    assert outcome.ab.lower >= 1.0
    assert outcome.ab.lower <= 6.0 <= outcome.ab.upper  # the challenger's 8 minus the champion's 2
    assert "A/B test: promote; revenue" in bench.current.note
    trial, promoted = [each for each in bench.log.history() if each.generation > before]
    assert (trial.reason, promoted.reason) == (Reason.CANARY, Reason.PROMOTE)
    assert (trial.challenger.weight, trial.challenger.ab.outcome) == (0.5, "revenue")
    moved = sum(len(versions) > 1 for versions in answered.values())
    assert moved <= 0.05 * len(answered)  # by chance half; begin and end move one each, and a slow worker a few
    assert len(answered) > 100


def test_a_worse_challenger_is_aborted_by_policy_without_fence_and_incident(served):
    bench, gateway = served
    champion, candidate = bench.current.champion, bench.publish(3)
    with shoppers(gateway, better=champion.version):
        outcome = release(PIPELINE, candidate.digest, ab=ABChanges(ends="when_decided"))
    assert outcome.result is RolloutResult.ABORTED, outcome
    assert outcome.ab.decision is ABDecision.WORSE
    assert (bench.current.champion, bench.current.reason, bench.current.fenced) == (champion, Reason.ABORT, ())
    with bench.ledger() as ledger:
        assert [each for each in ledger.incidents(PIPELINE) if each.subject == candidate.digest] == []


def test_a_person_ends_it_at_any_time(served):
    bench, gateway = served
    candidate = bench.publish(4)
    with shoppers(gateway):
        running = Running(bench, candidate.digest)
        wait_until(running.has_clients, "clients are settled")
        status = read_rollout_status(bench.root, bench.settings.ledger_dsn, PIPELINE)
        assert "A/B test 50.0%" in status.in_words
        answer = ApprovalAnswer(approve=True, by="Ada", reason="the design is nicer")
        answer_rollout(bench.root, bench.settings.ledger_dsn, PIPELINE, answer)
        outcome = running.ended()
    assert outcome.result is RolloutResult.PROMOTED, outcome
    assert bench.current.champion == candidate
    assert bench.current.note.startswith("approved by Ada: the design is nicer; revenue ")


def test_at_its_end_without_a_decision_the_policy_of_the_stages_applies(served):
    bench, _ = served
    champion, candidate = bench.current.champion, bench.publish(5)
    outcome = release(PIPELINE, candidate.digest, ab=ABChanges(days_max=1e-6))
    assert outcome.result is RolloutResult.INCONCLUSIVE, outcome
    assert (bench.current.champion, bench.current.challenger, bench.current.fenced) == (champion, None, ())


def test_a_failed_check_aborts_and_fences_as_in_a_canary(served):
    bench, gateway = served
    candidate = bench.publish(6, estimator=raising_estimator(6))
    with shoppers(gateway, carrier="ZZ"):
        outcome = release(PIPELINE, candidate.digest, ab=ABChanges())
    assert outcome.result is RolloutResult.ABORTED, outcome
    assert bench.current.note.startswith("errors: ")
    assert bench.current.fence_of(candidate.digest) is not None
