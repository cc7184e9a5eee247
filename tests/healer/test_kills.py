"""A healer that is killed at any crash point of a remedy: the next one ends as an undisturbed one does."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from healing.evidence import Evidence
from healing.incident import Cause, Remedy
from healing.verdict import Outcome, Verdict
from releases.store import ModelStore
from tasks.incidents.remedy_registry import find_remedy, registered_remedies
from tasks.ledger.records import CheckRecord
from tasks.runtime.local_runs import PREFIX, cancel_local_run, local_run_is_active
from tests.flows.killable import Ended, Killable, Order
from tests.flows.release_bench import ONE_STAGE, Bench, make_bench
from tests.healer.kill_cases import CASES, REMEDY_CASES, Case, old_evidence
from tests.published import PIPELINE, bootstrap
from tests.tasks.incidents.operate_port import operate_port

pytestmark = pytest.mark.timeout(600)

SOURCES = [path for folder in ("healer", "tasks", "flows", "releases") for path in Path(folder).rglob("*.py")]


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


def end_of(bench: Bench, restarts: list[str]) -> dict[str, object]:
    """What must be the same, whoever was killed. A worker may be restarted twice, a service only once."""
    home, store = bench.settings.home, ModelStore(bench.root)
    with bench.ledger() as ledger:
        incidents = ledger.incidents(PIPELINE)
        announced = [entry.subject for entry in ledger.entries(PIPELINE, "release.committed")]
        pauses = ledger.entries(PIPELINE, "pipeline.paused")
        approvals = [(each.number, each.remedy) for i in incidents for each in ledger.approvals(i.id)]
    alerts = bench.settings.alerts_file
    return {
        "incidents": [(i.cause, i.status, [(a.remedy, a.outcome) for a in i.attempts]) for i in incidents],
        "releases": [(release.reason, release.champion.version) for release in bench.log.history()],
        "fences": [fence.version for fence in bench.current.fenced],
        "announced": sorted(announced),
        "notified": alerts.exists(),
        "approvals": (approvals, len(alerts.read_text().splitlines()) if approvals else 0),
        "pauses": len(pauses),
        "models": sorted(str(store.verify(digest, bench.keys.public).version) for digest in store.digests()),
        "leftovers": len([*(bench.root / "models").glob(".*"), *(home / "tmp").glob("*")]),
        "avoided": [path.name for path in bench.settings.sources_dir(PIPELINE).glob("*.avoid.json")],
        "restarted services": restarts.count("service"),
    }


def killed_and_finished(
    case: Case, killable: Killable, folder: Path, monkeypatch: pytest.MonkeyPatch, point: str | None
) -> tuple[dict[str, object], Ended]:
    """The end after a healer that was killed at `point` and the next one, or after one undisturbed healer."""
    bench = make_bench(folder, monkeypatch, f"{ONE_STAGE}\npolicy: {case.policy}")
    with operate_port() as port, monkeypatch.context() as patched:
        case.prepare(bench, port)
        if case.needs_gateway:
            patched.setenv("AUTOPILOT_OPERATE_URL", port.url)
        with case.beside(bench, port):
            if point is not None:
                first = heal(killable, case.until, point)
                assert first.killed, f"{point} was not reached: {first}"
            last = heal(killable, case.until)
            assert (last.killed, last.error) == (False, ""), f"after {point}: {last}"
        return end_of(bench, port.restarts), last


def test_every_remedy_has_a_case():
    from tests.flows.test_lake_remedies_killed import CASES as LAKE_CASES

    tested = {find_remedy(remedy, case.cause) for remedy, case in REMEDY_CASES.items()}
    tested |= {find_remedy(remedy, cause) for remedy, cause in CARRIED}
    tested |= {find_remedy(case.remedy, case.cause) for case in LAKE_CASES.values()}
    assert set(registered_remedies()) - tested == set()


def test_every_crash_point_is_killed_at():
    """The tests of the flows find the points of theirs in the source in the same way."""
    from tests.flows import test_lake_remedies_killed, test_release_killed, test_retrain, test_rollback_killed
    from tests.flows.durability import test_durability

    named = {name for path in SOURCES for name in re.findall(r'reached\("([\w.]+)"', path.read_text())}
    killed = {point for case in CASES.values() for point in case.points}
    flows = (test_durability, test_release_killed, test_retrain, test_rollback_killed, test_lake_remedies_killed)
    for flow in flows:
        killed |= set(flow.POINTS)
    assert named - killed == set()


@pytest.mark.parametrize(
    ("name", "is_drill"),
    [pytest.param(name, False, id=name) for name in CASES]
    + [pytest.param(name, True, id=f"{name}-all", marks=pytest.mark.drill) for name in CASES],
)
def test_the_end_is_the_same_as_undisturbed(killable, tmp_path, monkeypatch, name, is_drill):
    case = CASES[name]
    expected, run = killed_and_finished(case, killable, tmp_path / "undisturbed", monkeypatch, None)
    statuses = [status for _, status, _ in expected["incidents"]]
    assert statuses == ([] if name == "stranded trial" else [case.status])
    if case in REMEDY_CASES.values():
        assert name in [attempted for _, _, attempts in expected["incidents"] for attempted, _ in attempts]
    for point in dict.fromkeys(run.points) if is_drill else case.points:
        end, _ = killed_and_finished(case, killable, tmp_path / point, monkeypatch, point)
        assert end == expected, f"after a kill at {point}"


CARRIED = (
    (Remedy.RETRAIN, Cause.QUALITY_DROP),
    (Remedy.WAIT, Cause.BAD_ROWS),
    (Remedy.RETRY, Cause.SOURCE_UNAVAILABLE),
    (Remedy.SWITCH_SOURCE, Cause.SOURCE_UNAVAILABLE),
    (Remedy.REPAIR_BATCH, Cause.SCHEMA_BREAK),
    (Remedy.QUARANTINE_BATCH, Cause.BAD_ROWS),
)  # remedies whose work is a flow run; the fast tests start one of them
CARRIED_POINTS = ("heal.attempt_started", "heal.remedy_applied")  # before the run starts, and before it is recorded


def problem_of_a_run(bench: Bench, remedy: Remedy, cause: Cause) -> None:
    """An incident that the remedy treats with a flow run."""
    bootstrap(bench.root, bench.publish(1))
    if remedy is not Remedy.RETRAIN:
        old_evidence(bench, cause, "rows/2013-03-01")
        return
    now = datetime.now(UTC)
    with bench.ledger() as ledger:
        drop = Verdict("quality", Outcome.FAIL, "log loss rose by 0.05", 900)
        ledger.record_check(CheckRecord(PIPELINE, cause, drop, now, now, now))
        ledger.record_evidence(Evidence(PIPELINE, cause, "champion", "monitor", now))


@pytest.mark.parametrize("point", CARRIED_POINTS)
@pytest.mark.parametrize(
    ("remedy", "cause"),
    [pytest.param(*each, marks=() if each[0] is Remedy.RETRAIN else pytest.mark.drill, id=each[0]) for each in CARRIED],
)
def test_a_flow_is_started_once_whether_the_healer_dies_before_or_after_the_start(
    killable, tmp_path, monkeypatch, remedy, cause, point
):
    bench = make_bench(tmp_path, monkeypatch, f"{ONE_STAGE}\npolicy: {{{cause}: [{remedy}]}}")
    problem_of_a_run(bench, remedy, cause)
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
        assert [(a.remedy, a.flow_run_id) for a in incident.attempts] == [(remedy, f"{PREFIX}{run}")]
    finally:
        for file in folder.glob("*.json"):
            cancel_local_run(f"{PREFIX}{file}")
