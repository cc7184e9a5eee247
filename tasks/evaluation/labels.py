"""Labels: what became known of the rows that were answered for, joined by key and no earlier than it was known."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tasks.config.pipeline import Pipeline
from tasks.lake.columns import ASKED_AT, BATCH_DAY, FEATURES, KNOWN_AT, LABEL
from tasks.lake.lake_table import LakeTable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where labels are and what they are joined by. `zone` is the pipeline's: its calendar cuts the days."""

    lake_root: Path
    key: str
    table: str
    table_key: tuple[str, ...]
    column: str
    known_at: str
    zone: ZoneInfo
    positive: str | bool | int | float | None = None  # the value that counts as 1; None where the column is a number


@dataclass(frozen=True, slots=True)
class LabelDelay:
    """How complete and how late labels are: share of rows with one, and the median wait from asking, in hours."""

    rows: int
    coverage: float
    median_hours: float | None


def day_end(day: date, zone: ZoneInfo) -> datetime:
    """The midnight that ends `day` in `zone`: everything known by then is known."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The midnight at which `day` begins in `zone`."""
    return datetime.combine(day, time(), tzinfo=zone)


def read_features(
    lake_root: Path, key: str, since: date | None, until: date | None, version: int | None = None
) -> "pd.DataFrame":
    """Rows of the features table whose day is in [since, until], in the order in which they were asked."""
    rows = LakeTable(lake_root, FEATURES, [key]).read(since=since, until=until, version=version)
    return rows.sort_values([ASKED_AT, key], ignore_index=True)


def join_labels(
    rows: "pd.DataFrame", source: LabelSource, as_of: datetime, version: int | None = None
) -> "pd.DataFrame":
    """`rows` (with the key and `event_day`) plus `label` and `label_known_at`, both empty unless known by `as_of`.

    Rows keep their order and number: a key that has two labels keeps the one that was known last.
    """
    import pandas as pd

    if rows.empty:
        return rows.assign(**{LABEL: pd.Series(dtype="float64"), KNOWN_AT: pd.Series(dtype="datetime64[us, UTC]")})
    table = LakeTable(source.lake_root, source.table, source.table_key)
    asked_first: date = rows[BATCH_DAY].min()  # nothing is known of a row before the day on which it is asked
    labels = table.read(since=asked_first, columns=[source.key, source.column, source.known_at], version=version)
    known = labels[(labels[source.known_at] <= pd.Timestamp(as_of)) & labels[source.column].notna()]
    known = known.sort_values(source.known_at).drop_duplicates(source.key, keep="last")
    by_key = known.assign(**{LABEL: _as_number(known[source.column], source.positive)}).set_index(source.key)
    keys = rows[source.key]
    return rows.assign(
        **{LABEL: keys.map(by_key[LABEL]).astype("float64"), KNOWN_AT: keys.map(by_key[source.known_at])}
    )


def _as_number(values: "pd.Series[Any]", positive: str | bool | int | float | None) -> "pd.Series[float]":
    """1.0 for the positive class and 0.0 for every other; the number itself where no class is named."""
    return (values if positive is None else values == positive).astype("float64")


def label_delay(joined: "pd.DataFrame") -> LabelDelay:
    """Coverage and delay of the labels in a joined frame."""
    labelled = joined[joined[LABEL].notna()]
    hours = (labelled[KNOWN_AT] - labelled[ASKED_AT]).dt.total_seconds() / 3600
    return LabelDelay(
        rows=len(joined),
        coverage=len(labelled) / len(joined) if len(joined) else 0.0,
        median_hours=None if labelled.empty else float(hours.median()),
    )


def days_until_labelled(joined: "pd.DataFrame", zone: ZoneInfo, share: float) -> int:
    """Days after the day of asking by whose end that share of the labels that came had come; 0 without labels."""
    import numpy as np

    labelled = joined[joined[LABEL].notna()]
    if labelled.empty:
        return 0
    known_on = labelled[KNOWN_AT].dt.tz_convert(zone).dt.date
    waited = [(known - asked).days for known, asked in zip(known_on, labelled[BATCH_DAY], strict=True)]
    return max(0, int(np.quantile(waited, share, method="higher")))


def label_source(pipeline: Pipeline, lake_root: Path) -> LabelSource:
    """Where the labels of a pipeline are."""
    table = pipeline.tables[pipeline.label.table]
    return LabelSource(
        lake_root=lake_root,
        key=pipeline.key,
        table=pipeline.label.table,
        table_key=table.key,
        column=pipeline.label.column,
        known_at=pipeline.label.known_at,
        zone=pipeline.zone,
        positive=pipeline.label.positive,
    )
