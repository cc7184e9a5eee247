"""A person lets in what was right after all: through the commit of any batch, on record, and as often as asked."""

import pytest

import tasks.ingestion.quarantine_release
from flows.ingest import ingest
from flows.quarantine import release_from_quarantine
from healing.errors import UsageError
from tasks.ingestion.quarantine import noted, read_note
from tasks.lake.lake_table import LakeTable
from tasks.ledger.records import BatchStatus
from tasks.ledger.store import Ledger
from tests.flows.durability.world import DAYS, SINCE, UNTIL, World

REJECTED = f"outcomes/{DAYS[2]}"  # two rows where five are the least
PARTLY = f"rows/{DAYS[1]}"  # one row lacks what it needs
BY = {"by": "ada", "why": "the airport was closed"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    world = World(tmp_path).build()
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(world.pipelines))
    ingest("small", since=SINCE, until=UNTIL)
    return tmp_path / "home"


def outcomes(home) -> int:
    return LakeTable(home / "lake/small", "outcomes", ["id"]).count()


def test_a_rejected_batch_comes_in_with_its_features_and_leaves_quarantine(home):
    before = outcomes(home)
    report = release_from_quarantine("small", REJECTED, **BY)
    assert (report.released, report.left, outcomes(home) - before) == (2, 0, 2)
    assert report.feature_rows == 30
    assert REJECTED not in {note.batch_id for note in noted(home / "quarantine/small")}
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        record = ledger.batch("small", REJECTED)
        [entry] = ledger.entries("small", tasks.ingestion.quarantine_release.RELEASED)
    assert (record.status, record.revision, record.accepted, record.quarantined) == (BatchStatus.ACCEPTED, 2, 2, 0)
    assert entry.detail == {"rows": [0, 1], **BY}


def test_some_rows_come_in_and_the_rest_stays_with_who_and_why(home):
    report = release_from_quarantine("small", REJECTED, rows=[1], **BY)
    assert (report.released, report.left) == (1, 1)
    note = read_note(home / "quarantine/small", REJECTED)
    assert list(note.rows) == [0]
    assert [(each.by, each.rows) for each in note.vouched] == [("ada", (1,))]
    assert release_from_quarantine("small", REJECTED, rows=[0], **BY).left == 0


def test_a_row_that_fits_into_no_table_stays(home):
    report = release_from_quarantine("small", PARTLY, **BY)
    assert (report.released, report.left) == (0, 1)
    assert "x is missing" in next(iter(report.reasons))


def test_what_is_not_in_quarantine_is_refused(home):
    with pytest.raises(UsageError, match="quarantine list"):
        release_from_quarantine("small", f"rows/{DAYS[0]}", **BY)
    with pytest.raises(UsageError, match="expected rows that are in quarantine"):
        release_from_quarantine("small", REJECTED, rows=[7], **BY)
    with pytest.raises(UsageError, match="--why"):
        release_from_quarantine("small", REJECTED, by="ada", why=" ")


@pytest.mark.parametrize("step", ["commit_revisions", "_keep_the_rest"])
def test_a_release_that_died_is_finished_by_asking_again(home, monkeypatch, step):
    """As far as the note before the commit, and as far as the commit before the note."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    before = outcomes(home)
    with monkeypatch.context() as dying:
        dying.setattr(tasks.ingestion.quarantine_release, step, die)
        with pytest.raises(KeyboardInterrupt):
            release_from_quarantine("small", REJECTED, **BY)
    release_from_quarantine("small", REJECTED, **BY)
    assert outcomes(home) - before == 2
    assert REJECTED not in {note.batch_id for note in noted(home / "quarantine/small")}


def test_asking_the_source_again_does_not_put_released_rows_back(home):
    release_from_quarantine("small", REJECTED, **BY)
    before = outcomes(home)
    report = ingest("small", since=SINCE, until=UNTIL, again=True)
    assert (report.batches, outcomes(home)) == (0, before)
    assert REJECTED not in {note.batch_id for note in noted(home / "quarantine/small")}
