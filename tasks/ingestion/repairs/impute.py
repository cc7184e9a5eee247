"""Repair `impute`: a few missing values, filled in from the reference.

Where other columns determine the value, that value is used; otherwise the median of numbers and the mode of text. The
contract limits the share of rows; above the limit nothing is filled in, and the rows are bad.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.config.contract_section import Repair
from tasks.ingestion.validation.batch_frame import AppliedRepair, BatchFrame, Mask
from tasks.ingestion.validation.reference import TableReference

if TYPE_CHECKING:
    import pandas as pd


def impute_values(frame: BatchFrame) -> None:
    """Fill in missing values of the columns that the contract lists."""
    reference = frame.rules.reference
    for name in frame.rules.table.impute if reference is not None else ():
        assert reference is not None
        missing = frame.within_share(frame.typed.missing[name].to_numpy(), Repair.IMPUTE)
        if missing.any():
            _impute_column(frame, reference, name, missing)


def _impute_column(frame: BatchFrame, reference: TableReference, name: str, missing: Mask) -> None:
    by = frame.rules.table.determined.get(name, ())
    determined = reference.determined_values(name, by, frame.rows) if by else _constant(frame, None)
    known = missing & determined.notna().to_numpy()
    _fill(frame, name, known, determined, f"imputed {name} by {', '.join(by)}")
    typical = reference.typical(name)
    rest = missing & ~known if typical is not None else np.zeros_like(missing)
    kind = "mode" if isinstance(typical, str) else "median"
    _fill(frame, name, rest, _constant(frame, typical), f"imputed {name} with the {kind} {typical}")
    frame.typed.missing[name] = frame.typed.missing[name] & ~(known | rest)


def _fill(frame: BatchFrame, name: str, mask: Any, values: "pd.Series[Any]", description: str) -> None:
    if frame.rules.table.columns[name] == "long":
        values = values.astype("float64").round().astype("Int64")
    frame.repair(name, mask, values, AppliedRepair(Repair.IMPUTE, description))


def _constant(frame: BatchFrame, value: object) -> "pd.Series[Any]":
    import pandas as pd

    return pd.Series([value] * len(frame.rows), index=frame.rows.index, dtype=object)
