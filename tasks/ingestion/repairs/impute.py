"""Repair `impute`: a few missing values, filled in from the reference.

Where other columns fix the value it is the one they fix, else the median of numbers and the mode of text. More than a
few are no accident: policy bounds the share, and beyond it the rows are bad.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.config.contract_section import Repair
from tasks.ingestion.validation.batch_frame import Mended, Sheet
from tasks.ingestion.validation.reference import Reference

if TYPE_CHECKING:
    import pandas as pd


def impute(sheet: Sheet) -> None:
    """Fill in what is missing in the columns that the contract lists."""
    reference, table = sheet.rules.reference, sheet.rules.table
    for name in table.impute if reference is not None else ():
        assert reference is not None
        missing = sheet.within(sheet.typed.missing[name].to_numpy(), Repair.IMPUTE)
        if not missing.any():
            continue
        by = table.determined.get(name, ())
        fixed = _fixed(sheet, reference, name)
        known = missing & fixed.notna().to_numpy()
        _fill(sheet, name, known, fixed, f"imputed {name} by {', '.join(by)}")
        typical = reference.typical(name)
        rest = missing & ~known if typical is not None else np.zeros_like(missing)
        kind = "mode" if isinstance(typical, str) else "median"
        _fill(sheet, name, rest, _constant(sheet, typical), f"imputed {name} with the {kind} {typical}")
        sheet.typed.missing[name] = sheet.typed.missing[name] & ~(known | rest)


def _fill(sheet: Sheet, name: str, mask: Any, values: "pd.Series[Any]", what: str) -> None:
    if sheet.rules.table.columns[name] == "long":
        values = values.astype("float64").round().astype("Int64")
    sheet.mend(name, mask, values, Mended(Repair.IMPUTE, what))


def _fixed(sheet: Sheet, reference: Reference, name: str) -> "pd.Series[Any]":
    by = sheet.rules.table.determined.get(name)
    return reference.fixed(name, by, sheet.rows) if by else _constant(sheet, None)


def _constant(sheet: Sheet, value: object) -> "pd.Series[Any]":
    import pandas as pd

    return pd.Series([value] * len(sheet.rows), index=sheet.rows.index, dtype=object)
