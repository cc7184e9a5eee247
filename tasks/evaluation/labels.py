"""Labels: read from the lake and joined to rows by key, without any label that was not known at the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tasks.config.pipeline import ClassNames, Pipeline
from tasks.evaluation.row_sample import RowSample, sample_positions
from tasks.lake.columns import ASKED_AT, BATCH_DAY, FEATURES, KNOWN_AT, LABEL
from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where labels are, and by which columns they are joined. `zone` is the pipeline's time zone; it defines days."""

    lake_root: LakeRoot
    key: str
    table: str
    table_key: tuple[str, ...]
    column: str
    known_at: str
    zone: ZoneInfo
    positive: str | bool | int | float | None = None  # the value that counts as 1; None if the column is a number
    classes: ClassNames = ()  # all values of a label of several classes; each counts as its position


@dataclass(frozen=True, slots=True)
class LabelDelay:
    """How complete and how late labels are: the share of rows with a label, and the median hours after the request."""

    rows: int
    coverage: float
    median_hours: float | None


def day_end(day: date, zone: ZoneInfo) -> datetime:
    """The midnight that ends `day` in `zone`."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The midnight at which `day` begins in `zone`."""
    return datetime.combine(day, time(), tzinfo=zone)


def read_features(
    lake_root: LakeRoot,
    key: str,
    since: date | None,
    until: date | None,
    version: int | None = None,
    *,
    columns: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
) -> "pd.DataFrame":
    """Rows of the features table whose day is in [since, until], in the order of their requests.

    With `columns` only these, the key and the times among them; with `keys` only the rows that have one of these keys.
    """
    table = LakeTable(lake_root, FEATURES, [key])
    rows = table.read(since=since, until=until, version=version, columns=columns, keys=keys)
    return rows.sort_values([ASKED_AT, key], ignore_index=True)


def sample_features(
    lake_root: LakeRoot, key: str, since: date, until: date, rows_max: int
) -> tuple["pd.DataFrame", RowSample]:
    """At most `rows_max` rows of the features table, as `read_features` returns them, and how many rows there are.

    If there are more, each day keeps its share. Only their keys and days are read together.
    """
    table = LakeTable(lake_root, FEATURES, [key])
    version, names = table.version(), [key, ASKED_AT, BATCH_DAY]
    if table.count(since, until) <= rows_max:
        rows = read_features(lake_root, key, since, until, version)
        return rows, RowSample(len(rows), len(rows))
    known = read_features(lake_root, key, since, until, version, columns=names)
    chosen = known[key].iloc[sample_positions(known[key], [known[BATCH_DAY]], rows_max)]
    rows = read_features(lake_root, key, since, until, version, keys=chosen.tolist())
    return rows, RowSample(len(rows), len(known))


def join_labels(
    rows: "pd.DataFrame", source: LabelSource, as_of: datetime, version: int | None = None
) -> "pd.DataFrame":
    """`rows` (with the key and `event_day`) with `label` and `label_known_at`, both missing unless known by `as_of`.

    Rows keep their order and number. A key with two labels gets the one that became known last.
    """
    import pandas as pd

    if rows.empty:
        return rows.assign(**{LABEL: pd.Series(dtype="float64"), KNOWN_AT: pd.Series(dtype="datetime64[us, UTC]")})
    table = LakeTable(source.lake_root, source.table, source.table_key)
    first_day: date = rows[BATCH_DAY].min()  # no label is known before the day of its row
    labels = table.read(since=first_day, columns=[source.key, source.column, source.known_at], version=version)
    known = labels[(labels[source.known_at] <= pd.Timestamp(as_of)) & labels[source.column].notna()]
    known = known.sort_values(source.known_at).drop_duplicates(source.key, keep="last")
    by_key = known.assign(**{LABEL: label_numbers(known[source.column], source)}).set_index(source.key)
    keys = rows[source.key]
    return rows.assign(
        **{LABEL: keys.map(by_key[LABEL]).astype("float64"), KNOWN_AT: keys.map(by_key[source.known_at])}
    )


def label_numbers(values: "pd.Series[Any]", source: LabelSource) -> "pd.Series[float]":
    """The number of each label: its position among the classes, or NaN if it is none of several classes.

    With a positive class, it is 1.0 for that class and 0.0 for all others. Without classes it is the label itself.
    """
    if source.classes:
        return values.map({name: float(place) for place, name in enumerate(source.classes)}).astype("float64")
    return (values if source.positive is None else values == source.positive).astype("float64")


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
    """Days after a row's day until `share` of the labels that arrived had arrived; 0 without labels."""
    import numpy as np

    labelled = joined[joined[LABEL].notna()]
    if labelled.empty:
        return 0
    known_on = labelled[KNOWN_AT].dt.tz_convert(zone).dt.date
    waited = [(known - day).days for known, day in zip(known_on, labelled[BATCH_DAY], strict=True)]
    return max(0, int(np.quantile(waited, share, method="higher")))


def label_source(pipeline: Pipeline, lake_root: LakeRoot) -> LabelSource:
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
        classes=pipeline.label.classes,
    )
