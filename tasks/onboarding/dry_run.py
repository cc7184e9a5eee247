"""Dry run of a guessed pipeline on its own file, with the code that ingestion uses."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from healing.errors import SourceUnavailable, UsageError
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.ingestion.sources import Batch, Lookup, OpenSource, open_source
from tasks.ingestion.validate import validate_batches
from tasks.ingestion.validation.validated_batch import ValidatedBatch

_QUARANTINED_SHARE_MAX = 0.05  # of the file's own rows: with more, a guess was wrong


@dataclass(frozen=True, slots=True)
class TableDryRun:
    """Rows of one table that the contract accepts, and the number of rows that it quarantines for each reason."""

    table: str
    days: int
    accepted: int
    reasons: dict[str, int]

    @property
    def quarantined(self) -> int:
        return sum(self.reasons.values())


def run_dry(name: str, pipelines_dir: Path, until: date) -> tuple[TableDryRun, ...]:
    """Fetch and validate every day until `until` of every table, and compute the features of the accepted rows.

    UsageError if the file has no completed day, or if the contract rejects the file that it was guessed from.
    """
    pipeline = load_pipeline(name, pipelines_dir)
    with tempfile.TemporaryDirectory() as state:
        source = open_source(pipeline, pipeline.sources[0], Lookup(), Path(state))
        try:
            batches = {table: _batches(source, pipeline, table, until) for table in pipeline.tables}
        except SourceUnavailable as exc:
            raise UsageError(f"expected a file that can be read day by day, found: {exc}") from exc
        finally:
            source.close()
    validated = {table: validate_batches(pipeline, table, found) for table, found in batches.items()}
    results = tuple(_check_accepted(table, found) for table, found in validated.items())
    good = {table: pa.concat_tables([each.good for each in found]) for table, found in validated.items()}
    pipeline.features({table: rows.to_pandas() for table, rows in good.items()})
    pipeline.estimator()
    return results


def _batches(source: OpenSource, pipeline: Pipeline, table: str, until: date) -> list[Batch]:
    served = source.days()
    if served is None or served.last < served.first:
        raise UsageError("expected rows of completed days, found only today's or later ones; wait until tomorrow")
    last = min(served.last, until)
    days = [served.first + timedelta(days=index) for index in range((last - served.first).days + 1)]
    return list(source.fetch(table, pipeline.tables[table], days))


def _check_accepted(table: str, validated: Sequence[ValidatedBatch]) -> TableDryRun:
    reasons: Counter[str] = Counter()
    for each in validated:
        reasons.update(each.reasons)
    result = TableDryRun(table, len(validated), sum(each.good.num_rows for each in validated), dict(reasons))
    rejected = [each for each in validated if each.rejected is not None]
    total = result.accepted + result.quarantined
    if rejected or result.quarantined > _QUARANTINED_SHARE_MAX * total:
        why = ", ".join(reason for reason, _ in reasons.most_common(3))
        if rejected:
            why = f"{rejected[0].batch.day}: {rejected[0].rejected}"
        raise UsageError(
            f"expected the guessed contract to accept its own file, found that it quarantines {result.quarantined} of "
            f"{total} rows of table {table}, because of: {why}; correct the file or name other columns"
        )
    return result
