"""Repair `cast`: values in another notation that has only one meaning.

A thousands separator, decimals of a whole number, seconds since 1970, a boolean as a word. A value that could mean two
things (1,5 or 03/04) is not repaired.
"""

from typing import TYPE_CHECKING, Any

from healing.incident import Cause
from tasks.config.contract_section import Repair
from tasks.config.table import ColumnType
from tasks.ingestion.validation.batch_frame import AppliedRepair, BatchFrame
from tasks.ingestion.validation.schema import cast_column

if TYPE_CHECKING:
    import pandas as pd

_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_EPOCH = r"^\d{10}(\d{3}){0,2}(\.\d+)?$"  # seconds, milliseconds or microseconds of the years 2001 to 2286
_TRUTH_WORDS = {"yes": "true", "no": "false", "y": "true", "n": "false", "t": "true", "f": "false"}
_TRUTH_NUMBERS = {"true": "1", "false": "0"}


def cast_values(frame: BatchFrame) -> None:
    """Read the values that the plain cast could not, where they have only one meaning."""
    for name, kind in frame.rules.table.columns.items():
        misfit = frame.typed.misfit[name].to_numpy()
        if kind == "string" or not misfit.any():
            continue
        text = frame.text[name].where(misfit)
        values = _instants(text) if kind == "timestamp" else cast_column(_plain_notation(text, kind), kind)
        readable = frame.within_share(misfit & values.notna().to_numpy(), Repair.CAST)
        applied = AppliedRepair(Repair.CAST, f"cast {name} to {kind}", Cause.SCHEMA_BREAK)
        frame.repair(name, readable, values, applied)
        frame.typed.misfit[name] = misfit & ~readable


def _plain_notation(text: "pd.Series[str]", kind: ColumnType) -> "pd.Series[Any]":
    """The same values in the notation that the plain cast reads."""
    trimmed = text.str.strip()
    lower = trimmed.str.lower()
    if kind == "boolean":
        return lower.map(_TRUTH_WORDS).fillna(lower)
    grouped = trimmed.str.fullmatch(_THOUSANDS, na=False).astype(bool)
    ungrouped = trimmed.mask(grouped, trimmed.str.replace(",", ""))
    return lower.map(_TRUTH_NUMBERS).fillna(ungrouped)


def _instants(text: "pd.Series[str]") -> "pd.Series[Any]":
    """Instants of texts that count seconds, milliseconds or microseconds since 1970; missing for other texts."""
    import pandas as pd

    instants = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us, UTC]")
    trimmed = text.str.strip()
    found = trimmed[trimmed.str.fullmatch(_EPOCH, na=False).astype(bool)]
    if found.empty:
        return instants
    digits = found.str.partition(".")[0].str.len()
    micros = found.astype("float64") * digits.map({10: 1e6, 13: 1e3, 16: 1.0}).astype("float64")
    instants[found.index] = pd.to_datetime(micros.round().astype("int64"), unit="us", utc=True).dt.as_unit("us")
    return instants
