"""Evidently's preset run on some windows, to show that its verdict follows from our distances."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.year.world import World
from tasks.backtest.replayed_model import PRESET_DISTANCE
from tasks.monitoring.distances import columns_of, distance

if TYPE_CHECKING:
    from benchmarks.year.reported_drift import HeldOut


def disagreements(world: World, weeks: Sequence["HeldOut"]) -> tuple[int, float]:
    """The number of columns with another verdict by the preset, and the largest difference between distances."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    kinds = world.kinds
    definition = DataDefinition(
        numerical_columns=[name for name, kind in kinds.items() if kind == "numeric"],
        categorical_columns=[name for name, kind in kinds.items() if kind == "category"],
    )
    differing, largest = 0, 0.0
    for week in weeks:
        sides = [
            Dataset.from_pandas(side[list(kinds)], data_definition=definition) for side in (week.window, week.reference)
        ]
        shown = Report([DataDriftPreset()]).run(*sides).dict()["metrics"]
        theirs = {m["config"]["column"]: float(m["value"]) for m in shown if m["config"].get("column") in kinds}
        now, usual = columns_of(week.window, kinds), columns_of(week.reference, kinds)
        for name in kinds:
            ours = distance(now[name], usual[name])
            largest = max(largest, abs(ours - theirs[name]))
            differing += (ours >= PRESET_DISTANCE) != (theirs[name] >= PRESET_DISTANCE)
    return differing, largest
