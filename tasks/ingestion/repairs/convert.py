"""Repair `convert`: a whole column that came in another unit.

The unit is known by its scale: the median of absolute values, against what is usual, is nearer (in logarithms) to a
factor that the contract lists than to 1. Where other columns fix the value, each is held against its own, so that a day
of long routes is not taken for kilometres. Part of a column in another unit is no such case: those rows are bad.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healing.incident import Cause
from tasks.config.contract_section import Repair
from tasks.ingestion.validation.batch_frame import Mended, Sheet
from tasks.ingestion.validation.reference import Reference

ROWS_MIN = 30  # the median of fewer rows says little


def convert(sheet: Sheet) -> None:
    """Bring whole columns back into the contract's unit."""
    reference = sheet.rules.reference
    if reference is None:
        return
    share_max = sheet.rules.contract.share_max(Repair.CONVERT)
    for name, factors in sheet.rules.table.units.items():
        relative = _relative(sheet, reference, name)
        for index in range(len(sheet.batches)):
            rows = sheet.place == index
            known = relative[rows & np.isfinite(relative)]
            unit = recognise(known, factors) if len(known) >= ROWS_MIN else None
            own = rows & sheet.rows[name].notna().to_numpy()
            if unit is None or own.sum() > share_max * rows.sum():
                continue
            note = Mended(
                Repair.CONVERT, f"converted {name} from {unit} (divided by {factors[unit]:g})", Cause.BAD_ROWS
            )
            sheet.mend(name, own, _divided(sheet.rows[name], factors[unit]), note)


def recognise(relative: NDArray[np.float64], factors: Mapping[str, float]) -> str | None:
    """The unit whose factor explains best how many times as large as usual the values are; None when 1 does.

    >>> import numpy as np
    >>> recognise(np.array([1.61, 1.58, 1.7]), {"kilometres": 1.609344, "metres": 1609.344})
    'kilometres'
    """
    found = float(np.median(np.abs(relative)))
    if found <= 0:
        return None
    ratio = math.log(found)
    unit = min(factors, key=lambda name: abs(ratio - math.log(factors[name])), default=None)
    if unit is None or abs(ratio) <= abs(ratio - math.log(factors[unit])):
        return None
    return unit


def _relative(sheet: Sheet, reference: Reference, name: str) -> NDArray[np.float64]:
    """How many times as large as usual each value is; NaN where nothing is known of it."""
    values = np.asarray(sheet.rows[name].astype("float64").to_numpy(na_value=np.nan), dtype=np.float64)
    by = sheet.rules.table.determined.get(name)
    if by:
        return values / reference.fixed(name, by, sheet.rows).to_numpy(dtype="float64")
    usual = reference.numbers.get(name)
    return values / usual.scale if usual is not None and usual.scale > 0 else np.full_like(values, np.nan)


def _divided(values: Any, factor: float) -> Any:
    """Whole numbers come out whole: a factor that does not divide them was not theirs."""
    divided = values.astype("float64") / factor
    return divided.round().astype("Int64") if str(values.dtype) == "Int64" else divided
