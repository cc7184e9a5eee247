"""What was right after all comes back: on a person's word, by the commit of any batch, with its features."""

from collections.abc import Collection

from pydantic import BaseModel, ConfigDict

from healing.errors import UsageError
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.ingestion.features import commit_features, pending_days
from tasks.ingestion.open_stores import opened
from tasks.ingestion.quarantine_release import readmit

CHUNK_DAYS = 31  # of features computed at once


class ReleaseReport(BaseModel):
    """What a release from quarantine did. `left` rows fit into no table, for the `reasons` given."""

    model_config = ConfigDict(frozen=True)

    batch: str
    released: int
    left: int
    reasons: dict[str, int]
    feature_rows: int


def release_from_quarantine(
    pipeline: str, batch: str, *, by: str, why: str, rows: Collection[int] | None = None
) -> ReleaseReport:
    """Let rows of a batch in that wait in quarantine, all of them or those at the places `rows`.

    No flow: a person waits for it, and it works while Prefect is down. Safe to repeat.
    """
    if not why.strip():
        raise UsageError("expected why the rows are right after all, found nothing; say it with --why")
    settings = load_settings()
    with opened(load_pipeline(pipeline, settings.pipelines_dir), settings) as stores:
        done = readmit(stores, batch, rows=rows, by=by, why=why)
        computed = commit_features(stores, pending_days(stores), CHUNK_DAYS)
    return ReleaseReport(
        batch=batch, released=done.released, left=done.left, reasons=dict(done.reasons), feature_rows=computed
    )
