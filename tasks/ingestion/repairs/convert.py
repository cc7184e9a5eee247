"""Repair `convert`: a whole column that came in another unit.

The unit is recognised by its scale: the median of absolute values, relative to the usual ones, is nearer in logarithms
to a factor that the contract lists than to 1. Where other columns determine the value, each value is compared with its
own, so that a day of long routes is not taken for kilometres. If only part of a column is in another unit, those rows
are bad.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healing.incident import Cause
from tasks.config.contract_section import Repair
from tasks.ingestion.validation.batch_frame import AppliedRepair, BatchFrame, Mask
from tasks.ingestion.validation.reference import TableReference


def convert_units(frame: BatchFrame) -> None:
    """Convert whole columns back to the contract's unit, batch by batch."""
    reference = frame.rules.reference
    if reference is None:
        return
    for name, factors in frame.rules.table.units.items():
        relative = _relative_to_usual(frame, reference, name)
        for index in range(len(frame.batches)):
            _convert_batch(frame, name, factors, relative, frame.batch_index == index)


def recognise(relative: NDArray[np.float64], factors: Mapping[str, float]) -> str | None:
    """The unit whose factor fits best the ratio of the values to the usual ones; None when 1 fits best.

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


def _convert_batch(
    frame: BatchFrame, name: str, factors: Mapping[str, float], relative: NDArray[np.float64], rows: Mask
) -> None:
    contract = frame.rules.contract
    known = relative[rows & np.isfinite(relative)]
    unit = recognise(known, factors) if len(known) >= contract.convert_rows_min else None
    present = rows & frame.rows[name].notna().to_numpy()
    if unit is None or present.sum() > contract.share_max(Repair.CONVERT) * rows.sum():
        return
    description = f"converted {name} from {unit} (divided by {factors[unit]:g})"
    applied = AppliedRepair(Repair.CONVERT, description, Cause.BAD_ROWS)
    frame.repair(name, present, _divided(frame.rows[name], factors[unit]), applied)


def _relative_to_usual(frame: BatchFrame, reference: TableReference, name: str) -> NDArray[np.float64]:
    """The ratio of each value to the usual one; NaN where no usual value is known."""
    values = np.asarray(frame.rows[name].astype("float64").to_numpy(na_value=np.nan), dtype=np.float64)
    by = frame.rules.table.determined.get(name)
    if by:
        return values / reference.determined_values(name, by, frame.rows).to_numpy(dtype="float64")
    usual = reference.numbers.get(name)
    return values / usual.scale if usual is not None and usual.scale > 0 else np.full_like(values, np.nan)


def _divided(values: Any, factor: float) -> Any:
    """Whole numbers stay whole: a conversion that leaves a fraction was not the right one."""
    divided = values.astype("float64") / factor
    return divided.round().astype("Int64") if str(values.dtype) == "Int64" else divided
