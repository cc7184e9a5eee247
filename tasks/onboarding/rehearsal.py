"""A guessed pipeline tried on its own file, by the code that will ingest it."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from healing.errors import SourceUnavailable, UsageError
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.ingestion.sources import Batch, Lookup, OpenSource, open_source
from tasks.ingestion.validate import Examined, examine

_BAD_SHARE_MAX = 0.05  # of the file's own rows: with more, something was guessed wrongly


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the contract makes of one table of the file: rows that it takes, and how many it sets aside for what."""

    table: str
    days: int
    accepted: int
    reasons: dict[str, int]

    @property
    def set_aside(self) -> int:
        return sum(self.reasons.values())


def rehearse(name: str, pipelines_dir: Path) -> tuple[Rehearsed, ...]:
    """Fetch and judge every day of every table, and compute the features of what is taken.

    UsageError when the file holds no day that is over, or the contract refuses what it was made from.
    """
    pipeline = load_pipeline(name, pipelines_dir)
    with tempfile.TemporaryDirectory() as state:
        source = open_source(pipeline, pipeline.sources[0], Lookup(), Path(state))
        try:
            batches = {table: _batches(source, pipeline, table) for table in pipeline.tables}
        except SourceUnavailable as exc:
            raise UsageError(f"expected a file that can be read a day at a time, found: {exc}") from exc
        finally:
            source.close()
    examined = {table: examine(pipeline, table, found) for table, found in batches.items()}
    rehearsed = tuple(_judge(table, found) for table, found in examined.items())
    good = {table: pa.concat_tables([each.good for each in found]) for table, found in examined.items()}
    pipeline.features({table: rows.to_pandas() for table, rows in good.items()})
    pipeline.estimator()
    return rehearsed


def _batches(source: OpenSource, pipeline: Pipeline, table: str) -> list[Batch]:
    served = source.days()
    if served is None or served.last < served.first:
        raise UsageError("expected rows of days that are over, found only today's or later ones; wait until tomorrow")
    days = [served.first + timedelta(days=index) for index in range((served.last - served.first).days + 1)]
    return list(source.fetch(table, pipeline.tables[table], days))


def _judge(table: str, examined: Sequence[Examined]) -> Rehearsed:
    reasons: Counter[str] = Counter()
    for each in examined:
        reasons.update(each.reasons)
    found = Rehearsed(table, len(examined), sum(each.good.num_rows for each in examined), dict(reasons))
    rejected = [each for each in examined if each.rejected is not None]
    total = found.accepted + found.set_aside
    if rejected or found.set_aside > _BAD_SHARE_MAX * total:
        why = rejected[0].rejected if rejected else ", ".join(reason for reason, _ in reasons.most_common(3))
        raise UsageError(
            f"expected the contract to take the file it was made from, found that it would set aside "
            f"{found.set_aside} of {total} rows of table {table}, for: {why}"
        )
    return found
