"""Repair `convert`: a whole column that came in another unit.

The unit is known by its scale: the median of absolute values, against the reference's, is nearer (in logarithms) to a
factor that the contract lists than to 1. Part of a column in another unit is no such case: those rows are bad.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healing.incident import Cause
from tasks.pipeline_contract import Repair
from tasks.sheet import Mended, Sheet

ROWS_MIN = 30  # the median of fewer rows says little


def convert(sheet: Sheet) -> None:
    """Bring whole columns back into the contract's unit."""
    reference = sheet.rules.reference
    share_max = sheet.rules.contract.share_max(Repair.CONVERT)
    for name, factors in sheet.rules.table.units.items():
        usual = reference.numbers.get(name) if reference is not None else None
        if usual is None or usual.scale == 0:
            continue
        values = sheet.rows[name].astype("float64").to_numpy(na_value=np.nan)
        for index in range(len(sheet.batches)):
            own = (sheet.place == index) & np.isfinite(values)
            unit = recognise(values[own], usual.scale, factors) if own.sum() >= ROWS_MIN else None
            if unit is None or own.sum() > share_max * (sheet.place == index).sum():
                continue
            note = Mended(
                Repair.CONVERT, f"converted {name} from {unit} (divided by {factors[unit]:g})", Cause.BAD_ROWS
            )
            sheet.mend(name, own, _divided(sheet.rows[name], factors[unit]), note)


def recognise(values: NDArray[np.float64], scale: float, factors: Mapping[str, float]) -> str | None:
    """The unit whose factor explains the values' scale best; None when the contract's own does.

    >>> import numpy as np
    >>> recognise(np.array([1400.0, 2200.0, 700.0]) * 1.609344, 1400.0, {"kilometres": 1.609344, "metres": 1609.344})
    'kilometres'
    """
    found = float(np.median(np.abs(values)))
    if found <= 0:
        return None
    ratio = math.log(found / scale)
    unit = min(factors, key=lambda name: abs(ratio - math.log(factors[name])), default=None)
    if unit is None or abs(ratio) <= abs(ratio - math.log(factors[unit])):
        return None
    return unit


def _divided(values: Any, factor: float) -> Any:
    """Whole numbers come out whole: a factor that does not divide them was not theirs."""
    divided = values.astype("float64") / factor
    return divided.round().astype("Int64") if str(values.dtype) == "Int64" else divided
