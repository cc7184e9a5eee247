"""Rows as their source writes them, converted to the names and formats of the contract.

A source may name its columns, write times, numbers and booleans, and mark missing values in its own way. What the
contract says about that is applied here, before any check. It is not a repair, because nothing is wrong.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tasks.config.table import Table
from tasks.ingestion.sources.number_format import in_plain_form

if TYPE_CHECKING:
    import pandas as pd

UNIX_SECONDS, UNIX_MILLISECONDS = "unix_s", "unix_ms"  # formats that strptime does not have
_UNITS: dict[str, Literal["s", "ms"]] = {UNIX_SECONDS: "s", UNIX_MILLISECONDS: "ms"}


def in_contract_form(table: Table, rows: "pd.DataFrame") -> "pd.DataFrame":
    """Text columns under the contract's names and in its formats: see `contract_names` and `in_contract_formats`."""
    names = contract_names(table, list(rows.columns))
    named = rows.set_axis(names, axis="columns") if table.source_names else rows
    return in_contract_formats(table, named)


def contract_names(table: Table, columns: Sequence[str]) -> list[str]:
    """The contract's names of a source's columns. Columns that the contract does not have keep their names."""
    names = {there: here for here, there in table.source_names.items()}
    return [names.get(column, column) for column in columns]


def rewritten_columns(table: Table) -> list[str]:
    """The columns of which the contract says how the source writes them."""
    return list(dict.fromkeys([*table.missing, *table.formats, *table.numbers, *table.booleans]))


def in_contract_formats(table: Table, rows: "pd.DataFrame") -> "pd.DataFrame":
    """Columns with plain numbers, ISO 8601 times, and missing marks as None.

    A text that fits no format stays visible, so that a check finds and shows it.
    """
    present = {name: _in_form(table, name, rows[name]) for name in rewritten_columns(table) if name in rows.columns}
    return rows.assign(**present) if present else rows


def _in_form(table: Table, name: str, text: "pd.Series[str]") -> "pd.Series[str]":
    text = text.mask(text.isin(table.missing.get(name, ())), None)
    if name in table.formats:
        return _as_iso(text, table.formats[name])
    if name in table.numbers:
        return in_plain_form(text, table.numbers[name])
    if name in table.booleans:
        true, false = (word.lower() for word in table.booleans[name])
        return text.str.strip().str.lower().map({true: "true", false: "false"}).fillna(text)
    return text


def parse_times(text: "pd.Series[str]", formats: Sequence[str] = ()) -> "pd.Series[pd.Timestamp]":
    """UTC instants, each read with the first format that fits, or as ISO 8601 without `formats`; NaT where none fits.

    A time without a zone is read as UTC.
    """
    import pandas as pd

    if not formats:
        return pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601").dt.as_unit("us")
    found = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us, UTC]")
    for format_ in formats:
        found = found.fillna(_parse(text, format_))
    return found


def _parse(text: "pd.Series[str]", format_: str) -> "pd.Series[pd.Timestamp]":
    import pandas as pd

    unit = _UNITS.get(format_)
    if unit is not None:
        number = pd.to_numeric(text, errors="coerce").astype("float64")
        return pd.to_datetime(number, errors="coerce", utc=True, unit=unit).dt.as_unit("us")
    return pd.to_datetime(text, errors="coerce", utc=True, format=format_).dt.as_unit("us")


def _as_iso(text: "pd.Series[str]", formats: Sequence[str]) -> "pd.Series[str]":
    times = parse_times(text, formats)
    written = times.dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    return written.astype(object).where(times.notna(), text)
