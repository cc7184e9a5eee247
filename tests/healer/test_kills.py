"""A healer that is killed at any crash point of a remedy: the next one comes to the same end as undisturbed."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import Cause, Remedy, Status
from healing.verdict import Outcome, Verdict
from tasks.incidents.remedy_registry import registered_remedies
from tasks.ledger.records import CheckRecord
from tasks.runtime.local_runs import PREFIX, cancel_local_run, local_run_is_active
from tests.flows.killable import Ended, Killable, Order
from tests.flows.release_bench import ONE_STAGE, Bench, make_bench
from tests.published import PIPELINE, bootstrap, start_canary
from tests.tasks.incidents.operate_port import OperatePort, operate_port

pytestmark = pytest.mark.timeout(600)

# What a kill means for these is tested beside each of them: they act on flow runs, the lake, the disk or services.
TESTED_ELSEWHERE = {
    Remedy.RETRY,
    Remedy.SWITCH_SOURCE,
    Remedy.REPAIR_BATCH,
    Remedy.QUARANTINE_BATCH,
    Remedy.RESTORE_SNAPSHOT,
    Remedy.FREE_DISK,
    Remedy.RESTART_SERVICE,
    Remedy.REPUBLISH,
}


def bad_candidate(bench: Bench, digest: str) -> None:
    """A check that failed for the model, and the incident."""
    now = datetime.now(UTC)
    with bench.ledger() as ledger:
        worse = Verdict("promotion", Outcome.FAIL, "loses 0.03 more than the one before", 900)
        ledger.record_check(CheckRecord(PIPELINE, Cause.BAD_CANDIDATE, worse, now, now, now))
        ledger.record_evidence(Evidence(PIPELINE, Cause.BAD_CANDIDATE, digest, "monitor", now))


def bad_challenger(bench: Bench, _: OperatePort) -> None:
    champion, challenger = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    start_canary(bench.root, challenger, 0.5)
    bad_candidate(bench, challenger.digest)


def bad_champion(bench: Bench, _: OperatePort) -> None:
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    bad_candidate(bench, champion.digest)


def failing_until_restarted(bench: Bench, port: OperatePort) -> None:
    champion = bench.publish(1)
    bootstrap(bench.root, champion)
    port.workers[champion.digest] = "ready"
    port.problems = lambda: [] if port.restarts else [("model_failing", champion.digest)]


def away_until_waited_for(bench: Bench, port: OperatePort) -> None:
    """The problem ends once the healer has begun to wait, however long that takes."""
    bootstrap(bench.root, bench.publish(1))

    def problems() -> list[tuple[str, str]]:
        with bench.ledger() as ledger:
            waited_for = any(incident.attempts for incident in ledger.incidents(PIPELINE))
        return [] if waited_for else [("store_unavailable", "log")]

    port.problems = problems


def nobody_can_treat(bench: Bench, _: OperatePort) -> None:
    bootstrap(bench.root, bench.publish(1))
    with bench.ledger() as ledger:
        ledger.record_evidence(Evidence(PIPELINE, Cause.UNKNOWN, "primary", "test", datetime.now(UTC)))


@dataclass(frozen=True)
class Case:
    """What is broken, and the crash points that the fast tests kill at; the drill kills at all of them.

    `policy` is that of the pipeline. The healer observes a gateway if it `needs_gateway`.
    """

    prepare: Callable[[Bench, OperatePort], None]
    points: tuple[str, ...]
    status: Status = Status.RECOVERED
    policy: str = "{}"
    needs_gateway: bool = False


CASES = {
    Remedy.ABORT_CANARY: Case(bad_challenger, ("heal.remedy_applied",)),
    Remedy.ROLLBACK: Case(bad_champion, ("rollback.committed", "heal.attempt_finished")),
    Remedy.ESCALATE: Case(nobody_can_treat, ("heal.escalated",), Status.ESCALATED),
    Remedy.RESTART_WORKER: Case(
        failing_until_restarted, ("heal.attempt_started", "heal.applied_recorded"), needs_gateway=True
    ),
    Remedy.WAIT: Case(away_until_waited_for, ("heal.applied_recorded",), needs_gateway=True),
    Remedy.PAUSE_PIPELINE: Case(
        bad_champion, ("heal.remedy_applied",), Status.ESCALATED, "{bad_candidate: [pause_pipeline]}"
    ),
}


@pytest.fixture(scope="module")
def killable() -> Iterator[Killable]:
    """Forks of one process that has imported the healer. Nobody answers at its Prefect's address."""
    runs = Killable("http://127.0.0.1:9/api", "tests.healer.killed", "sklearn.linear_model", "skops.io")
    yield runs
    runs.close()


def heal(killable: Killable, function: str, point: str | None = None) -> Ended:
    environment = {name: value for name, value in os.environ.items() if name.startswith("AUTOPILOT_")}
    environment |= {"AUTOPILOT_HEAL_HOLD_SECONDS": "0", "AUTOPILOT_DISPATCH": "deployment"}
    return killable.run(Order(f"tests.healer.killed:{function}", {"pipeline": PIPELINE}, environment, point))


def end_of(bench: Bench) -> dict[str, object]:
    """What must be the same, whoever was killed."""
    with bench.ledger() as ledger:
        incidents = ledger.incidents(PIPELINE)
        announced = [entry.subject for entry in ledger.entries(PIPELINE, "release.committed")]
    return {
        "incidents": [(i.cause, i.status, [(a.remedy, a.outcome) for a in i.attempts]) for i in incidents],
        "releases": [(release.reason, release.champion.version) for release in bench.log.history()],
        "fences": [fence.version for fence in bench.current.fenced],
        "announced": sorted(announced),
        "notified": bench.settings.alerts_file.exists(),
    }


def killed_and_finished(case: Case, killable: Killable, folder, monkeypatch, point: str | None) -> tuple[Bench, Ended]:
    """A new bench after a healer that was killed at `point` and the next one, or after one undisturbed healer."""
    bench = make_bench(folder, monkeypatch, f"{ONE_STAGE}\npolicy: {case.policy}")
    with operate_port() as port, monkeypatch.context() as patched:
        case.prepare(bench, port)
        if case.needs_gateway:
            patched.setenv("AUTOPILOT_OPERATE_URL", port.url)
        if point is not None:
            first = heal(killable, "heal_until_ended", point)
            assert first.killed, f"{point} was not reached: {first}"
        last = heal(killable, "heal_until_ended")
        assert (last.killed, last.error) == (False, ""), f"after {point}: {last}"
    return bench, last


def test_every_remedy_has_a_case():
    assert {action.remedy for action in registered_remedies()} == {*CASES, Remedy.RETRAIN} | TESTED_ELSEWHERE


@pytest.mark.parametrize(
    ("remedy", "is_drill"),
    [pytest.param(remedy, False, id=remedy) for remedy in CASES]
    + [pytest.param(remedy, True, id=f"{remedy}-all", marks=pytest.mark.drill) for remedy in CASES],
)
def test_the_end_is_the_same_as_undisturbed(killable, tmp_path, monkeypatch, remedy, is_drill):
    case = CASES[remedy]
    undisturbed, run = killed_and_finished(case, killable, tmp_path / "undisturbed", monkeypatch, None)
    expected = end_of(undisturbed)
    [(_, status, attempts)] = expected["incidents"]
    assert status is case.status
    assert remedy in [attempted for attempted, _ in attempts]
    for point in dict.fromkeys(run.points) if is_drill else case.points:
        bench, _ = killed_and_finished(case, killable, tmp_path / point, monkeypatch, point)
        assert end_of(bench) == expected, f"after a kill at {point}"


@pytest.mark.parametrize("point", ["heal.attempt_started", "heal.remedy_applied"])
def test_a_retrain_is_started_once_whether_the_healer_dies_before_or_after_the_start(
    killable, tmp_path, monkeypatch, point
):
    bench = make_bench(tmp_path, monkeypatch)
    bootstrap(bench.root, bench.publish(1))
    now = datetime.now(UTC)
    with bench.ledger() as ledger:
        drop = Verdict("quality", Outcome.FAIL, "log loss rose by 0.05", 900)
        ledger.record_check(CheckRecord(PIPELINE, Cause.QUALITY_DROP, drop, now, now, now))
        ledger.record_evidence(Evidence(PIPELINE, Cause.QUALITY_DROP, "champion", "monitor", now))
    folder = bench.settings.home / "healer" / "runs"
    try:
        assert heal(killable, "heal_until_carried", point).killed
        before = {file: file.read_bytes() for file in folder.glob("*.json")}
        assert len(before) == (0 if point == "heal.attempt_started" else 1)
        last = heal(killable, "heal_until_carried")
        assert (last.killed, last.error) == (False, "")
        [run] = folder.glob("*.json")
        assert before in ({}, {run: run.read_bytes()})  # the same process
        assert local_run_is_active(f"{PREFIX}{run}")
        with bench.ledger() as ledger:
            [incident] = ledger.incidents(PIPELINE)
        assert [(a.remedy, a.flow_run_id) for a in incident.attempts] == [(Remedy.RETRAIN, f"{PREFIX}{run}")]
    finally:
        for file in folder.glob("*.json"):
            cancel_local_run(f"{PREFIX}{file}")
