"""What a row must be in itself and beside its neighbours, beyond what an expectation can say.

Types and missing values, the day it belongs to, texts that other columns make up, values that other columns fix,
categories that nobody saw before, and keys that come twice.
"""

from datetime import date
from string import Formatter
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.config.contract_section import Repair
from tasks.ingestion.validation.batch_frame import Mask, Sheet

if TYPE_CHECKING:
    import pandas as pd

_DETERMINED_TOLERANCE = 0.01  # relative: sources round miles and kilometres differently
_WRITTEN = r"^\d{4}-?\d{2}-?\d{2}[T ]"  # ISO 8601, and not a number of seconds
_ZONED = r"(?:Z|z|[+-]\d{2}(?::?\d{2})?)$"
_TIME_CODES = ("%H", "%I", "%M", "%S", "%f", "%X", "%T", "%c", "%s")


def check_types(sheet: Sheet) -> None:
    """A value is of its column's type, and there where one is needed."""
    table = sheet.rules.table
    for name, kind in table.columns.items():
        if kind != "string":
            sheet.refuse(f"{name} is no {kind}", sheet.typed.misfit[name].to_numpy(), [name], is_type=True)
        if name in table.needed:
            sheet.refuse(f"{name} is missing", sheet.typed.missing[name].to_numpy(), [])


def check_zones(sheet: Sheet) -> None:
    """Where a batch's instants say their zone, one that does not is hours off by nobody knows how many.

    A batch in which none of them says it is read as UTC.
    """
    for name, kind in sheet.rules.table.columns.items():
        if kind == "timestamp":
            text = sheet.text[name]
            written = text.str.contains(_WRITTEN, na=False).to_numpy(dtype=bool)
            zoned = written & text.str.contains(_ZONED, na=False).to_numpy(dtype=bool)
            bare = written & ~zoned & (sheet.counts(zoned) > 0)[sheet.place]
            sheet.refuse(f"no zone: {name} lacks one, and others have it", bare, [name])


def check_day(sheet: Sheet) -> None:
    """A row is of its batch's day, on the pipeline's calendar."""
    days, own = local_days(sheet), batch_days(sheet)
    known = np.array([day is not None for day in days], dtype=bool)
    early, late = known.copy(), known.copy()
    early[known] = days[known] < own[known]
    late[known] = days[known] > own[known]
    name = sheet.rules.table.event_time
    sheet.refuse(f"late: {name} is before the batch's day", early, [name])
    sheet.refuse(f"future-dated: {name} is after the batch's day", late, [name])


def check_composed(sheet: Sheet) -> None:
    """A text that is made of other columns agrees with them. Rows that lack one of these are judged elsewhere."""
    for name, form in sheet.rules.table.composed.items():
        expected = _compose(sheet, form)
        differs = (expected.notna() & sheet.rows[name].notna() & (expected != sheet.rows[name])).to_numpy(dtype=bool)
        parts = [part for _, part, _, _ in Formatter().parse(form) if part]
        sheet.refuse(f"composed: {name} does not agree with {', '.join(parts)}", differs, [name, *parts])


def check_determined(sheet: Sheet) -> None:
    """A value that other columns fix is the one that the reference knows for them; new combinations pass."""
    reference = sheet.rules.reference
    for name, by in sheet.rules.table.determined.items() if reference is not None else ():
        assert reference is not None
        expected = reference.fixed(name, by, sheet.rows).to_numpy(dtype="float64")
        found = sheet.rows[name].astype("float64").to_numpy(na_value=np.nan)
        differs = np.abs(found - expected) > _DETERMINED_TOLERANCE * np.abs(expected)  # False where either is NaN
        sheet.refuse(f"determined: {name} is not that of {', '.join(by)}", differs, [name, *by])


def check_domains(sheet: Sheet) -> None:
    """A value is one of those that there are, where the contract names a list."""
    for name, values in sheet.rules.domains.items():
        found = sheet.rows[name]
        sheet.refuse(f"domain: {name} is none of the known", (found.notna() & ~found.isin(values)).to_numpy(), [name])


def check_categories(sheet: Sheet) -> None:
    """A category that the reference does not know is remarked on; many of them in one batch are bad rows."""
    reference = sheet.rules.reference
    for name, usual in reference.texts.items() if reference is not None else ():
        if not usual.categories:
            continue
        values = sheet.rows[name]
        unseen = (values.notna() & ~values.isin(usual.categories)).to_numpy()
        sizes = np.bincount(sheet.place, minlength=len(sheet.batches))
        many = sheet.counts(unseen) > sheet.rules.contract.max_bad_share * sizes
        sheet.refuse(f"unseen category: {name}", unseen & ~many[sheet.place], [name], "info")
        sheet.refuse(f"unseen category: {name}, too often", unseen & many[sheet.place], [name])


def repeated(sheet: Sheet) -> Mask:
    """Rows whose key comes again later in the same batch; the last of them is the newest."""
    import pandas as pd

    keys = pd.DataFrame({name: sheet.rows[name] for name in sheet.rules.table.key}).assign(**{" place": sheet.place})
    found: Mask = keys.duplicated(keep="last").to_numpy()
    return found & ~sheet.bad


def check_duplicates(sheet: Sheet) -> Mask:
    """Rows that may be dropped because they come again. Where policy drops none, or not so many, they are bad."""
    again = repeated(sheet)
    droppable = sheet.within(again, Repair.DROP_DUPLICATES)
    sheet.refuse(
        f"duplicate: {', '.join(sheet.rules.table.key)} comes again", again & ~droppable, sheet.rules.table.key
    )
    return droppable


def local_days(sheet: Sheet) -> Any:
    """Of each row its day on the pipeline's calendar, None where its time is not known."""
    moments = _local(sheet, sheet.rules.table.event_time)
    days = moments.dt.date.to_numpy(dtype=object)
    days[moments.isna().to_numpy()] = None
    return days


def batch_days(sheet: Sheet) -> Any:
    """Of each row the day of its batch."""
    days: list[date] = [batch.day for batch in sheet.batches]
    return np.array([*days, None], dtype=object)[:-1][sheet.place]


def _local(sheet: Sheet, name: str) -> "pd.Series[Any]":
    local: pd.Series[Any] = sheet.rows[name].dt.tz_convert(sheet.rules.zone)
    return local


def _compose(sheet: Sheet, form: str) -> "pd.Series[Any]":
    import pandas as pd

    text = pd.Series("", index=sheet.rows.index, dtype="string")
    for literal, name, spec, _ in Formatter().parse(form):
        text = text + literal
        if name is not None:
            text = text + _written(sheet, name, spec or "")
    return text.astype(object)


def _written(sheet: Sheet, name: str, spec: str) -> "pd.Series[Any]":
    """A column as text; instants on the pipeline's clock, in the form that `spec` gives."""
    if sheet.rules.table.columns[name] != "timestamp":
        return sheet.rows[name].astype("string")
    import pandas as pd

    moments = _local(sheet, name).dt.tz_localize(None)
    if not any(code in spec for code in _TIME_CODES):
        moments = moments.dt.floor("D")  # a few different days instead of many moments
    codes, distinct = pd.factorize(moments)
    written = pd.Series(distinct).dt.strftime(spec or "%Y-%m-%dT%H:%M:%S").astype("string")
    return pd.Series(written.reindex(codes).to_numpy(), index=sheet.rows.index, dtype="string")
