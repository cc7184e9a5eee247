"""Checks of single rows beyond what an expectation can state.

Types and missing values, the day of a row, texts that other columns determine, values that other columns determine,
unseen categories, and repeated keys.
"""

from datetime import date
from string import Formatter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.config.contract_section import Repair
from tasks.ingestion.validation.batch_frame import BatchFrame, Mask

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_ISO_TIME = r"^\d{4}-?\d{2}-?\d{2}[T ]"  # and not a number of seconds
_WITH_ZONE = r"(?:Z|z|[+-]\d{2}(?::?\d{2})?)$"
_TIME_CODES = ("%H", "%I", "%M", "%S", "%f", "%X", "%T", "%c", "%s")


def check_rows(frame: BatchFrame) -> None:
    """Run every row check but that for repeated keys, which needs the results of the others."""
    check_types(frame)
    check_zones(frame)
    check_event_day(frame)
    check_composed(frame)
    check_determined(frame)
    check_domains(frame)
    check_categories(frame)


def check_types(frame: BatchFrame) -> None:
    """A value has its column's type, and is present where one is required."""
    table = frame.rules.table
    for name, kind in table.columns.items():
        if kind != "string":
            frame.record_check(f"{name} is not a {kind}", frame.typed.misfit[name].to_numpy(), [name], is_type=True)
        if name in table.needed:
            frame.record_check(f"{name} is missing", frame.typed.missing[name].to_numpy(), [])


def check_zones(frame: BatchFrame) -> None:
    """A time without a zone is bad where others of its batch have one: it is off by an unknown number of hours.

    A batch in which no time has a zone is read as UTC.
    """
    for name, kind in frame.rules.table.columns.items():
        if kind == "timestamp":
            text = pa.array(frame.text[name], pa.string(), from_pandas=True)
            is_time = _matches(text, _ISO_TIME)
            zoned = is_time & _matches(text, _WITH_ZONE)
            bare = is_time & ~zoned & (frame.count_per_batch(zoned) > 0)[frame.batch_index]
            frame.record_check(f"time zone: {name} has none, other rows have one", bare, [name])


def _matches(text: pa.Array, pattern: str) -> Mask:
    """Which texts contain the pattern; a missing one does not."""
    found: Mask = pc.fill_null(pc.match_substring_regex(text, pattern), False).to_numpy(zero_copy_only=False)
    return found


def check_event_day(frame: BatchFrame) -> None:
    """The event time of a row is on its batch's day, in the pipeline's time zone."""
    own = np.array([batch.day for batch in frame.batches], dtype="datetime64[D]")[frame.batch_index]
    days = local_days(frame)
    early, late = days < own, days > own  # both are False where the time is unknown
    name = frame.rules.table.event_time
    frame.record_check(f"late: {name} is before the batch's day", early, [name])
    frame.record_check(f"future-dated: {name} is after the batch's day", late, [name])


def check_composed(frame: BatchFrame) -> None:
    """A text that is composed of other columns agrees with them. Rows that lack one of these fail other checks."""
    for name, pattern in frame.rules.table.composed.items():
        expected, found = _compose(frame, pattern), frame.rows[name]
        differs = (expected.notna() & found.notna() & (expected != found)).to_numpy(dtype=bool)
        parts = [part for _, part, _, _ in Formatter().parse(pattern) if part]
        frame.record_check(f"composed: {name} does not agree with {', '.join(parts)}", differs, [name, *parts])


def check_determined(frame: BatchFrame) -> None:
    """A value that other columns determine is the one that the reference has for them; new combinations pass."""
    reference, tolerance = frame.rules.reference, frame.rules.contract.determined_tolerance
    for name, by in frame.rules.table.determined.items() if reference is not None else ():
        assert reference is not None
        expected = reference.determined_values(name, by, frame.rows).to_numpy(dtype="float64")
        found = frame.rows[name].astype("float64").to_numpy(na_value=np.nan)
        differs = np.abs(found - expected) > tolerance * np.abs(expected)  # False where either is NaN
        frame.record_check(f"determined: {name} does not match {', '.join(by)}", differs, [name, *by])


def check_domains(frame: BatchFrame) -> None:
    """A value is in the closed list of its column, where the contract names one."""
    for name, values in frame.rules.domains.items():
        found = frame.rows[name]
        outside = (found.notna() & ~found.isin(values)).to_numpy()
        frame.record_check(f"domain: {name} is not in the list", outside, [name])


def check_categories(frame: BatchFrame) -> None:
    """A category that the reference does not have is reported; many of them in one batch are bad rows."""
    reference = frame.rules.reference
    for name, usual in reference.texts.items() if reference is not None else ():
        if not usual.categories:
            continue
        values = frame.rows[name]
        unseen = (values.notna() & ~values.isin(usual.categories)).to_numpy()
        many = (frame.count_per_batch(unseen) > frame.rules.contract.max_bad_share * frame.sizes)[frame.batch_index]
        frame.record_check(f"unseen category: {name}", unseen & ~many, [name], "info")
        frame.record_check(f"unseen category: {name}, too often", unseen & many, [name])


def check_duplicates(frame: BatchFrame) -> Mask:
    """Rows that may be dropped because their key comes again. Where the contract does not allow that, they are bad."""
    repeated = repeated_keys(frame)
    droppable = frame.within_share(repeated, Repair.DROP_DUPLICATES)
    key = frame.rules.table.key
    frame.record_check(f"duplicate: {', '.join(key)} is repeated", repeated & ~droppable, key)
    return droppable


def repeated_keys(frame: BatchFrame) -> Mask:
    """Good rows whose key comes again later in the same batch; the last one is the newest."""
    import pandas as pd

    columns = {name: frame.rows[name] for name in frame.rules.table.key}
    keys = pd.DataFrame(columns).assign(**{" batch": frame.batch_index})
    found: Mask = keys.duplicated(keep="last").to_numpy()
    return found & ~frame.bad


def local_days(frame: BatchFrame) -> "NDArray[np.datetime64]":
    """Per row the day of its event time in the pipeline's time zone, NaT where the time is unknown."""
    times = _local_times(frame, frame.rules.table.event_time).dt.tz_localize(None)
    days: NDArray[np.datetime64] = times.to_numpy().astype("datetime64[D]")
    return days


def batch_days(frame: BatchFrame) -> Any:
    """Per row the day of its batch."""
    days: list[date] = [batch.day for batch in frame.batches]
    return np.array([*days, None], dtype=object)[:-1][frame.batch_index]


def _local_times(frame: BatchFrame, name: str) -> "pd.Series[Any]":
    local: pd.Series[Any] = frame.rows[name].dt.tz_convert(frame.rules.zone)
    return local


def _compose(frame: BatchFrame, pattern: str) -> "pd.Series[Any]":
    """The text that `pattern` makes of each row; missing where one of its columns is."""
    import pandas as pd

    text = pd.Series("", index=frame.rows.index, dtype="string")
    for literal, name, spec, _ in Formatter().parse(pattern):
        text = text + literal
        if name is not None:
            text = text + _as_text(frame, name, spec or "")
    return text.astype(object)


def _as_text(frame: BatchFrame, name: str, spec: str) -> "pd.Series[Any]":
    """A column as text; times in the pipeline's time zone, in the format `spec`."""
    if frame.rules.table.columns[name] != "timestamp":
        return frame.rows[name].astype("string")
    import pandas as pd

    times = _local_times(frame, name).dt.tz_localize(None)
    if not any(code in spec for code in _TIME_CODES):
        times = times.dt.floor("D")  # a few distinct days format faster than many distinct times
    codes, distinct = pd.factorize(times)
    formatted = pd.Series(distinct).dt.strftime(spec or "%Y-%m-%dT%H:%M:%S").astype("string")
    return pd.Series(formatted.reindex(codes).to_numpy(), index=frame.rows.index, dtype="string")
