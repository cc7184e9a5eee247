"""Remedies that change the lake, killed with the run that applies them. The next healer finishes them."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from tasks.ledger.pauses import current_pause
from tasks.ledger.store import Ledger
from tests.flows.durability.world import SINCE, World, remains
from tests.flows.killable import Ended, Killable, Order

pytestmark = pytest.mark.timeout(600)

PIPELINE = "small"
SOURCES = [Path("tasks/ingestion/snapshots.py"), Path("tasks/incidents/remedies/restore_snapshot.py")]
POINTS = {name for path in SOURCES for name in re.findall(r'reached\("(restore_snapshot\.\w+)"', path.read_text())}


@dataclass(frozen=True)
class LakeCase:
    """An incident about `subject` that the remedy treats, and the crash points that the fast test kills at."""

    remedy: Remedy
    cause: Cause
    subject: str
    points: tuple[str, ...]


CASES = {
    "ingest again": LakeCase(
        Remedy.RETRY, Cause.SOURCE_UNAVAILABLE, "primary", ("ingest.committed", "heal.remedy_applied")
    ),
    "restore snapshot": LakeCase(
        Remedy.RESTORE_SNAPSHOT, Cause.BAD_ROWS, f"rows/{SINCE}", (*sorted(POINTS), "heal.remedy_applied")
    ),
}


@pytest.fixture(scope="module")
def killable(prefect_api: None) -> Iterator[Killable]:
    from prefect.settings import PREFECT_API_URL

    runs = Killable(str(PREFECT_API_URL.value()), "flows.ingest", "flows.heal", "deltalake", "pandas")
    yield runs
    runs.close()


@pytest.fixture(scope="module")
def ingested(killable, tmp_path_factory) -> World:
    """A world whose first day is in the lake of its home."""
    world = World(tmp_path_factory.mktemp("ingested")).build()
    days = {"since": SINCE.isoformat(), "until": SINCE.isoformat()}
    ended = run(killable, world, "flows.ingest:ingest", **days)
    assert (ended.killed, ended.error) == (False, "")
    return world


def run(killable: Killable, world: World, function: str, point: str | None = None, **arguments: object) -> Ended:
    environment = {
        "AUTOPILOT_HOME": str(world.folder / "home"),
        "AUTOPILOT_PIPELINES_DIR": str(world.pipelines),
        "AUTOPILOT_DISPATCH": "inline",
        "AUTOPILOT_HEAL_HOLD_SECONDS": "0",
    }
    return killable.run(Order(function, {"pipeline": PIPELINE, **arguments}, environment, point))


def end_of(home: Path) -> dict[str, object]:
    """What must be the same, whoever was killed; when attempts were cut off, ingestion has closed the incident."""
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        attempts = [{a.remedy for a in each.attempts} for each in ledger.incidents(PIPELINE)]
        restored = len(ledger.entries(PIPELINE, "features.restored"))
    return {**remains(home), "attempts": attempts, "restored": restored}


def killed_and_finished(
    killable: Killable, ingested: World, folder: Path, case: LakeCase, point: str | None
) -> tuple[dict[str, object], Ended]:
    """The end after a heal that was killed at `point` and the next one, or after one undisturbed heal."""
    world = World(folder)
    shutil.copytree(ingested.folder, folder)
    with (world.pipelines / PIPELINE / "pipeline.yaml").open("a") as file:
        file.write(f"policy: {{{case.cause}: [{case.remedy}]}}\n")
    with Ledger(f"sqlite:///{folder / 'home' / 'ledger.db'}") as ledger:
        observed_at = datetime.now(UTC) - timedelta(hours=1)  # ingestion has not treated it
        ledger.record_evidence(Evidence(PIPELINE, case.cause, case.subject, "ingest", observed_at))
    if point is not None:
        first = run(killable, world, "flows.heal:heal", point)
        assert first.killed, f"{point} was not reached: {first}"
    last = run(killable, world, "flows.heal:heal")
    assert (last.killed, last.error) == (False, ""), f"after {point}: {last}"
    return end_of(folder / "home"), last


def test_rows_that_can_be_neither_kept_out_nor_taken_out_pause_the_pipeline_and_call_a_person(
    killable, ingested, tmp_path
):
    world = World(tmp_path / "world")
    shutil.copytree(ingested.folder, world.folder)
    home = world.folder / "home"
    for log in (home / "lake" / PIPELINE).glob("*/_delta_log"):
        for file in log.iterdir():
            file.write_bytes(b"{")
    dsn = f"sqlite:///{home / 'ledger.db'}"
    with Ledger(dsn) as ledger:
        observed_at = datetime.now(UTC) - timedelta(hours=1)
        incident = ledger.record_evidence(Evidence(PIPELINE, Cause.BAD_ROWS, f"rows/{SINCE}", "ingest", observed_at))
    ended = run(killable, world, "flows.heal:heal")
    assert (ended.killed, ended.error) == (False, "")
    with Ledger(dsn) as ledger:
        escalated, pause = ledger.incident(incident.id), current_pause(ledger, PIPELINE)
    assert escalated.status is Status.ESCALATED
    assert [(each.remedy, each.outcome) for each in escalated.attempts] == [
        (Remedy.QUARANTINE_BATCH, AttemptOutcome.FAILED),
        (Remedy.RESTORE_SNAPSHOT, AttemptOutcome.FAILED),
        (Remedy.PAUSE_PIPELINE, AttemptOutcome.FUTILE),
        (Remedy.ESCALATE, AttemptOutcome.SUCCEEDED),
    ]
    assert pause is not None
    assert pause.incident_id == incident.id
    assert "autopilot resume small" in (home / "alerts.jsonl").read_text()
    assert "PipelinePaused" in run(killable, world, "flows.ingest:ingest").error


@pytest.mark.parametrize(
    ("name", "is_drill"),
    [pytest.param(name, False, id=name) for name in CASES]
    + [pytest.param(name, True, id=f"{name}-all", marks=pytest.mark.drill) for name in CASES],
)
def test_the_end_is_the_same_as_undisturbed(killable, ingested, tmp_path, name, is_drill):
    case = CASES[name]
    expected, ended = killed_and_finished(killable, ingested, tmp_path / "undisturbed", case, None)
    assert (case.cause, case.subject, Status.RECOVERED) in expected["incidents"]
    assert {case.remedy} in expected["attempts"]
    for point in dict.fromkeys(ended.points) if is_drill else case.points:
        end, _ = killed_and_finished(killable, ingested, tmp_path / point, case, point)
        assert end == expected, f"after a kill at {point}"
