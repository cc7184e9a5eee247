"""A person releases rows from quarantine: through the commit of any batch, on record, and safe to repeat."""

import pytest

import tasks.ingestion.quarantine_release
from flows.ingest import ingest
from healing.errors import UsageError
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.ingestion.quarantine import read_note, read_notes
from tasks.ingestion.quarantine_release import QuarantineRelease, release_from_quarantine
from tasks.lake.lake_table import LakeTable
from tasks.ledger.records import BatchStatus
from tasks.ledger.store import Ledger
from tests.flows.durability.world import DAYS, SINCE, UNTIL, World

REJECTED = f"outcomes/{DAYS[2]}"  # two rows, and the minimum is five
PARTLY = f"rows/{DAYS[1]}"  # one row lacks a required value


@pytest.fixture
def home(tmp_path, monkeypatch):
    world = World(tmp_path).build()
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(world.pipelines))
    ingest("small", since=SINCE, until=UNTIL)
    return tmp_path / "home"


def release(batch: str, by: str = "ada", why: str = "the airport was closed", **rows) -> QuarantineRelease:
    settings = load_settings()
    return release_from_quarantine(
        load_pipeline("small", settings.pipelines_dir), settings, batch, by=by, why=why, **rows
    )


def outcomes(home) -> int:
    return LakeTable(home / "lake/small", "outcomes", ["id"]).count()


def test_a_released_batch_is_committed_with_its_features_and_leaves_quarantine(home):
    before = outcomes(home)
    report = release(REJECTED)
    assert (report.released, report.left, outcomes(home) - before) == (2, 0, 2)
    assert report.feature_rows == 30
    assert REJECTED not in {note.batch_id for note in read_notes(home / "quarantine/small")}
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        record = ledger.batch("small", REJECTED)
        [entry] = ledger.entries("small", tasks.ingestion.quarantine_release.RELEASED)
    assert (record.status, record.revision, record.accepted, record.quarantined) == (BatchStatus.ACCEPTED, 2, 2, 0)
    assert entry.detail == {"rows": [0, 1], "by": "ada", "why": "the airport was closed"}


def test_single_rows_are_released_and_the_rest_stays_with_the_decision(home):
    report = release(REJECTED, rows=[1])
    assert (report.released, report.left) == (1, 1)
    note = read_note(home / "quarantine/small", REJECTED)
    assert list(note.rows) == [0]
    assert [(each.by, each.rows) for each in note.releases] == [("ada", (1,))]
    assert release(REJECTED, rows=[0]).left == 0


def test_a_row_that_fits_into_no_table_stays_in_quarantine(home):
    report = release(PARTLY)
    assert (report.released, report.left) == (0, 1)
    assert "x is missing" in next(iter(report.reasons))


def test_rows_that_are_not_in_quarantine_and_a_missing_reason_are_refused(home):
    with pytest.raises(UsageError, match="quarantine list"):
        release(f"rows/{DAYS[0]}")
    with pytest.raises(UsageError, match="expected rows that are in quarantine"):
        release(REJECTED, rows=[7])
    with pytest.raises(UsageError, match="--why"):
        release(REJECTED, why=" ")


@pytest.mark.parametrize("step", ["commit_rows", "_keep_the_rest"])
def test_the_same_release_again_completes_one_that_died(home, monkeypatch, step):
    """One dies between the note and the commit, the other between the commit and the note."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    before = outcomes(home)
    with monkeypatch.context() as dying:
        dying.setattr(tasks.ingestion.quarantine_release, step, die)
        with pytest.raises(KeyboardInterrupt):
            release(REJECTED)
    release(REJECTED)
    assert outcomes(home) - before == 2
    assert REJECTED not in {note.batch_id for note in read_notes(home / "quarantine/small")}


def test_requesting_the_source_again_does_not_quarantine_released_rows(home):
    release(REJECTED)
    before = outcomes(home)
    report = ingest("small", since=SINCE, until=UNTIL, again=True)
    assert (report.batches, outcomes(home)) == (0, before)
    assert REJECTED not in {note.batch_id for note in read_notes(home / "quarantine/small")}
