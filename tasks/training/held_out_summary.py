"""A candidate's loss on the held-out rows: overall, per segment, and its calibration."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tasks.lake.columns import LABEL

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # shape (rows,) or, of predictions for several classes, (rows, classes)

SEGMENTS_KEPT = 12
_SEGMENT_ROWS_MIN = 100  # of a segment: the loss of fewer rows is mostly chance
_COLUMNS_MAX = 100  # that are split into segments
_TEXTS_MAX = 8  # segments of a column of text; other texts are no segment
_RANGES = 4  # segments of a column of numbers, of about the same size
_POINTS = 10  # of a calibration curve, with about the same number of rows
_CURVES_MAX = 6  # of the first classes


@dataclass(frozen=True, slots=True)
class SegmentLoss:
    """Mean loss per row of the candidate and of the base rate in one segment, and the standard error of the gain."""

    column: str
    values: str
    rows: int
    loss: float
    base_rate_loss: float
    gain_error: float

    @property
    def gain(self) -> float:
        return self.base_rate_loss - self.loss


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """Mean prediction and mean label of rows with similar predictions."""

    predicted: float
    observed: float
    rows: int


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """Points in the order of the predictions. `name` is the class, where each class has a probability."""

    name: str
    points: tuple[CalibrationPoint, ...]


@dataclass(frozen=True, slots=True)
class HeldOutSummary:
    """The losses of a candidate. `segments` are those with the smallest gain, of `segments_compared`."""

    measure: str
    rows: int
    loss: float
    base_rate_loss: float
    segments: tuple[SegmentLoss, ...]
    segments_compared: int
    calibration: tuple[CalibrationCurve, ...]


def summarise_held_out(
    rows: "pd.DataFrame",
    inputs: "pd.DataFrame",
    predictions: "Values",
    losses: tuple["Values", "Values"],
    measure: str,
    classes: tuple[Any, ...] = (),
) -> HeldOutSummary:
    """The summary of held-out `rows` with their `inputs`. `losses` are those of the candidate and of the base rate."""
    candidate, base = losses
    segments = sorted(_segments(inputs, candidate, base), key=lambda each: each.gain)
    labels = rows[LABEL].to_numpy(dtype="float64")
    return HeldOutSummary(
        measure=measure,
        rows=len(rows),
        loss=float(candidate.mean()),
        base_rate_loss=float(base.mean()),
        segments=tuple(segments[:SEGMENTS_KEPT]),
        segments_compared=len(segments),
        calibration=tuple(_calibration(predictions, labels, classes)),
    )


def _segments(inputs: "pd.DataFrame", candidate: "Values", base: "Values") -> Iterator[SegmentLoss]:
    import numpy as np

    gains = base - candidate
    for column in inputs.columns[:_COLUMNS_MAX]:
        for values, where in _groups(inputs[column]):
            places = np.flatnonzero(where)
            if len(places) < _SEGMENT_ROWS_MIN:
                continue
            loss, base_loss = float(candidate[places].mean()), float(base[places].mean())
            error = float(gains[places].std(ddof=1) / np.sqrt(len(places)))
            yield SegmentLoss(str(column), values, len(places), loss, base_loss, error)


def _groups(column: "pd.Series[Any]") -> Iterator[tuple[str, "NDArray[np.bool_]"]]:
    """The most frequent texts, or ranges of numbers, and the rows without a value."""
    import numpy as np

    missing = column.isna().to_numpy()
    yield "missing", missing
    if column.dtype.kind not in "fiub":
        for text in column.value_counts().index[:_TEXTS_MAX]:
            yield str(text), (column == text).to_numpy()
        return
    numbers = column.to_numpy(dtype="float64")
    known = numbers[~missing]
    if not len(known):
        return
    distinct = np.unique(known)
    if len(distinct) <= _RANGES:
        for number in distinct:
            yield f"{number:g}", numbers == number
        return
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _RANGES + 1)))
    for place, (low, high) in enumerate(pairwise(edges)):
        above = numbers >= low if not place else numbers > low
        yield f"{low:.4g} to {high:.4g}", above & (numbers <= high)


def _calibration(predictions: "Values", labels: "Values", classes: tuple[Any, ...]) -> Iterator[CalibrationCurve]:
    if not classes:
        yield CalibrationCurve("", _points(predictions, labels))
        return
    for place, name in enumerate(classes[:_CURVES_MAX]):
        yield CalibrationCurve(str(name), _points(predictions[:, place], (labels == place).astype("float64")))


def _points(predictions: "Values", observed: "Values") -> tuple[CalibrationPoint, ...]:
    import numpy as np

    parts = np.array_split(np.argsort(predictions, kind="stable"), _POINTS)
    return tuple(
        CalibrationPoint(float(predictions[part].mean()), float(observed[part].mean()), len(part))
        for part in parts
        if len(part)
    )
