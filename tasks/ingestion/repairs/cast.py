"""Repair `cast`: values written in another way that can mean one thing only.

A thousand with its separator, a number with its decimals written out, an instant in seconds since 1970, a truth as a
word. What could mean two things (1,5 or 03/04) is left for quarantine.
"""

from typing import TYPE_CHECKING, Any

from healing.incident import Cause
from tasks.config.contract_section import Repair
from tasks.config.table import ColumnType
from tasks.ingestion.validation.batch_frame import Mended, Sheet
from tasks.ingestion.validation.contract import cast

if TYPE_CHECKING:
    import pandas as pd

_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_EPOCH = r"^\d{10}(\d{3}){0,2}(\.\d+)?$"  # seconds, milliseconds or microseconds of the years 2001 to 2286
_WORDS = {"yes": "true", "no": "false", "y": "true", "n": "false", "t": "true", "f": "false"}
_NUMBERS = {"true": "1", "false": "0"}


def recast(sheet: Sheet) -> None:
    """Read what the plain cast could not, where it can mean one thing only."""
    for name, kind in sheet.rules.table.columns.items():
        misfit = sheet.typed.misfit[name].to_numpy()
        if kind == "string" or not misfit.any():
            continue
        text = sheet.text[name].where(misfit)
        values = _instants(text) if kind == "timestamp" else cast(_plain(text, kind), kind)
        readable = sheet.within(misfit & values.notna().to_numpy(), Repair.CAST)
        note = Mended(Repair.CAST, f"cast {name} to {kind}", Cause.SCHEMA_BREAK)
        sheet.mend(name, readable, values, note)
        sheet.typed.misfit[name] = misfit & ~readable


def _plain(text: "pd.Series[str]", kind: ColumnType) -> "pd.Series[Any]":
    """The same values as the plain cast reads them; missing where that is not certain."""
    trimmed = text.str.strip()
    lower = trimmed.str.lower()
    if kind == "boolean":
        return lower.map(_WORDS).fillna(lower)
    grouped = trimmed.str.fullmatch(_THOUSANDS, na=False).astype(bool)
    without = trimmed.mask(grouped, trimmed.str.replace(",", ""))
    return lower.map(_NUMBERS).fillna(without)


def _instants(text: "pd.Series[str]") -> "pd.Series[Any]":
    """Instants of texts that count seconds, or thousandths or millionths of one, since 1970."""
    import pandas as pd

    trimmed = text.str.strip()
    found = trimmed[trimmed.str.fullmatch(_EPOCH, na=False).astype(bool)]
    if found.empty:
        return pd.Series(pd.NaT, index=text.index, dtype="datetime64[us, UTC]")
    whole = found.str.partition(".")[0].str.len()
    micros = found.astype("float64") * whole.map({10: 1e6, 13: 1e3, 16: 1.0}).astype("float64")
    instants = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us, UTC]")
    instants[found.index] = pd.to_datetime(micros.round().astype("int64"), unit="us", utc=True).dt.as_unit("us")
    return instants
