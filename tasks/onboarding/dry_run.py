"""Dry run of a guessed pipeline on its own file, with the code that ingestion uses."""

import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from healing.errors import SourceUnavailable, UsageError
from tasks.config.pipeline import load_pipeline
from tasks.ingestion.sources import Lookup, OpenSource, ServedDays, open_source
from tasks.ingestion.validate import validate_batches
from tasks.ingestion.validation.validated_batch import ValidatedBatch

_QUARANTINED_SHARE_MAX = 0.05  # of the file's own rows: with more, a guess was wrong
_ROWS_MAX = 50_000  # rows and days of a dry run: enough to find what the contract refuses in one row of a thousand
_DAYS_MAX = 400
_BLOCK_DAYS = 7


@dataclass(frozen=True, slots=True)
class TableDryRun:
    """Rows of one table that the contract accepts, and the number of rows that it quarantines for each reason.

    `days` were validated, of `days_served` that the file has; both are equal unless the file is large.
    """

    table: str
    days: int
    days_served: int
    accepted: int
    reasons: dict[str, int]

    @property
    def quarantined(self) -> int:
        return sum(self.reasons.values())


def run_dry(name: str, pipelines_dir: Path, until: date) -> tuple[TableDryRun, ...]:
    """Fetch and validate the days of every table until `until`, and compute the features of the accepted rows.

    Of a large file, blocks of days at equal distances are validated, the first and the last day among them.

    UsageError if the file has no completed day, or if the contract rejects the file that it was guessed from.
    """
    pipeline = load_pipeline(name, pipelines_dir)
    with tempfile.TemporaryDirectory(prefix=".dry-run.", dir=pipelines_dir) as state:
        source = open_source(pipeline, pipeline.sources[0], Lookup(), Path(state))
        try:
            served = _served_until(source, until)
            days = chosen_days(served)
            batches = {table: list(source.fetch(table, pipeline.tables[table], days)) for table in pipeline.tables}
        except SourceUnavailable as exc:
            raise UsageError(f"expected a file that can be read day by day, found: {exc}") from exc
        finally:
            source.close()
    validated = {table: validate_batches(pipeline, table, found) for table, found in batches.items()}
    results = tuple(_check_accepted(table, found, _days(served)) for table, found in validated.items())
    good = {table: pa.concat_tables([each.good for each in found]) for table, found in validated.items()}
    pipeline.features({table: rows.to_pandas() for table, rows in good.items()})
    pipeline.estimator()
    return results


def _served_until(source: OpenSource, until: date) -> ServedDays:
    """The completed days until `until`. UsageError if there is none."""
    served = source.days()
    if served is None or served.last < served.first:
        raise UsageError("expected rows of completed days, found only today's or later ones; wait until tomorrow")
    return served.model_copy(update={"last": min(served.last, until)})


def _days(served: ServedDays) -> int:
    return (served.last - served.first).days + 1


def chosen_days(served: ServedDays) -> list[date]:
    """All days, or blocks of adjacent days at equal distances, with about `_ROWS_MAX` rows together.

    A block is long enough to have rows where rows arrive once a week or once a month.
    """
    days = _days(served)
    rows_per_day = served.rows_per_day or 1.0
    count = min(_DAYS_MAX, max(2, int(_ROWS_MAX / rows_per_day)))
    block = min(count // 2, max(_BLOCK_DAYS, math.ceil(2 / rows_per_day)))
    blocks = max(2, count // block)
    if days <= blocks * block:
        return [served.first + timedelta(days=index) for index in range(days)]
    distance = (days - block) / (blocks - 1)
    starts = [round(index * distance) for index in range(blocks)]
    return [served.first + timedelta(days=start + index) for start in starts for index in range(block)]


def _check_accepted(table: str, validated: Sequence[ValidatedBatch], days_served: int) -> TableDryRun:
    reasons: Counter[str] = Counter()
    for each in validated:
        reasons.update(each.reasons)
    accepted = sum(each.good.num_rows for each in validated)
    result = TableDryRun(table, len(validated), days_served, accepted, dict(reasons))
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
