"""A rollback or a repair killed at any crash point leaves one champion, and the next run finishes the work."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.heal import heal
from flows.rollback import rollback
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.release import Reason
from healing.verdict import Outcome, Verdict
from tasks.ledger.records import CheckRecord
from tests.flows.killable import Ended, Killable, Order
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.gateway.running import wait_until
from tests.published import PIPELINE, bootstrap, end_trial, start_canary

pytestmark = pytest.mark.timeout(300)  # nine flow runs, each a few seconds on a busy machine

SOURCES = Path("tasks/rollout").glob("*.py")
POINTS = sorted({name for path in SOURCES for name in re.findall(r'reached\("(rollback\.\w+)"', path.read_text())})


@pytest.fixture(scope="module")
def killable(prefect_api: None) -> Iterator[Killable]:
    from prefect.settings import PREFECT_API_URL

    runs = Killable(str(PREFECT_API_URL.value()), "flows.rollback", "flows.heal", "sklearn.linear_model", "skops.io")
    yield runs
    runs.close()


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    return make_bench(tmp_path, monkeypatch)


def run(killable: Killable, function: str, point: str | None, **arguments: object) -> Ended:
    environment = {name: value for name, value in os.environ.items() if name.startswith("AUTOPILOT_")}
    return killable.run(Order(function, {"pipeline": PIPELINE, **arguments}, environment, point))


def recorded(bench: Bench, kind: str) -> list[int]:
    with bench.ledger() as ledger:
        return sorted(int(entry.subject.rpartition("/")[2]) for entry in ledger.entries(PIPELINE, kind))


def test_a_rollback_killed_anywhere_is_finished_by_the_next_run_while_clients_are_answered(bench, killable):
    first, *warm, champion = (bench.publish(seed) for seed in (1, 2, 3, 4, 5))
    bootstrap(bench.root, first)
    start_canary(bench.root, champion, 0.5)
    end_trial(bench.root, reason=Reason.PROMOTE, champion=champion, fallbacks=tuple(warm))
    seen = set()
    with bench.serve() as gateway:
        gateway.wait_for_generation(3)
        for model in warm:
            gateway.wait_for_worker(model.digest)
        with traffic(gateway, every_seconds=0.02) as codes:
            for point in POINTS:
                left = bench.current
                killed = run(killable, "flows.rollback:rollback", point, away_from=left.champion.digest)
                assert killed.killed, killed
                seen |= set(killed.points)
                written = bench.log.latest_generation() - left.generation
                assert written == (0 if point == "rollback.decided" else 1)
                again = rollback(PIPELINE, away_from=left.champion.digest)
                assert again.verified is Outcome.PASS, again
                assert bench.current.generation == left.generation + 1
                assert bench.current.fence_of(left.champion.digest) is not None
                assert recorded(bench, "release.committed") == list(range(1, bench.current.generation + 1))
                assert recorded(bench, "release.mirrored")[-1] == bench.current.generation
    assert seen == set(POINTS)
    assert set(codes) == {200}
    assert {release.champion for release in bench.log.history()[3:]} == {first, *warm}


@pytest.mark.parametrize(
    "point",
    ["heal.attempt_started", "rollback.committed", "heal.remedy_applied", "heal.applied_recorded"],
)
def test_a_repair_killed_anywhere_is_finished_once(bench, killable, point):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    now = datetime.now(UTC)
    with bench.ledger() as ledger:
        worse = Verdict("promotion", Outcome.FAIL, "loses 0.03 more than the one before", 900)
        ledger.record_check(CheckRecord(PIPELINE, Cause.BAD_CANDIDATE, worse, now, now, now))
        incident = ledger.record_evidence(Evidence(PIPELINE, Cause.BAD_CANDIDATE, champion.digest, "watch", now))
        ledger.start_attempt(ledger.set_status(incident.id, Status.DIAGNOSED).id, Remedy.ABORT_CANARY)
        ledger.finish_attempt(incident.id, 1, AttemptOutcome.FUTILE, "it is champion")
    assert run(killable, "flows.heal:heal", point).killed

    def healed_now():
        heal(PIPELINE)  # leads once the lease of the killed run has expired
        with bench.ledger() as ledger:
            return ledger.incident(incident.id).ended

    wait_until(healed_now, "the next healer finishes the work", 60)
    with bench.ledger() as ledger:
        healed = ledger.incident(incident.id)
    assert healed.status is Status.RECOVERED
    assert [a.outcome for a in healed.attempts] == [AttemptOutcome.FUTILE, AttemptOutcome.SUCCEEDED]
    assert [release.reason for release in bench.log.history()] == [Reason.BOOTSTRAP, Reason.ROLLBACK]
    assert (bench.current.champion, bench.current.fallbacks) == (older, ())
    assert recorded(bench, "release.committed") == [1, 2]
