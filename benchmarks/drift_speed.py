"""How fast a drift verdict on 100,000 rows and 15 columns is, compared with Evidently's preset on the same frames.

    python -m benchmarks.drift_speed [--quick]

Both compare the window with a reference of the same size. Ours: the distances, the reference distances of eight blocks
at the window's size, p-values and Holm, with the reference sorted beforehand (warm) and not (cold). Evidently's:
`Report([DataDriftPreset()])`, warm, with its dataset prepared beforehand and no HTML written. Every distance in its
report is compared with ours. `--quick` takes a tenth of the rows. Exits 1 when a goal was missed. One minute.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.result import Result, finish
from tasks.lake.columns import BATCH_DAY
from tasks.monitoring.column_drift import DriftRule, judge_drift
from tasks.monitoring.distances import ColumnKind
from tasks.monitoring.reference_distances import ReferenceBlocks, measure

if TYPE_CHECKING:
    import pandas as pd

ROWS, QUICK_ROWS = 100_000, 10_000
BLOCKS, WINDOW_DAYS = 8, 7
ROUNDS = 5
KINDS: dict[str, ColumnKind] = {
    **{f"normal{number}": "numeric" for number in range(6)},
    **{f"skewed{number}": "numeric" for number in range(3)},
    **{f"holed{number}": "numeric" for number in range(2)},
    "whole": "numeric",
    **{f"category{number}": "category" for number in range(3)},
}


def frame(rows: int, seed: int, shift: float) -> "pd.DataFrame":
    """Twelve numeric columns (normal, skewed, with missing values, integers) and three with 12 to 100 categories."""
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        BATCH_DAY: np.repeat(
            [date(2013, 1, 1) + timedelta(days=day) for day in range(BLOCKS * WINDOW_DAYS)],
            -(-rows // (BLOCKS * WINDOW_DAYS)),
        )[:rows]
    }
    for name, kind in KINDS.items():
        if kind == "category":
            count = (12, 30, 100)[int(name[-1])]
            columns[name] = generator.choice(np.array([f"c{n}" for n in range(count)], dtype=object), rows)
        elif name.startswith("skewed"):
            columns[name] = generator.gamma(2, size=rows) + shift
        elif name == "whole":
            columns[name] = generator.integers(0, 1440, rows)
        else:
            columns[name] = generator.normal(size=rows) + shift
            if name.startswith("holed"):
                columns[name][generator.random(rows) < 0.1] = np.nan
    return pd.DataFrame(columns)


def seconds(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def evidently_run(window: "pd.DataFrame", reference: "pd.DataFrame") -> Callable[[], dict[str, float]]:
    """A function that runs the preset on these frames and returns its distances."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[name for name, kind in KINDS.items() if kind == "numeric"],
        categorical_columns=[name for name, kind in KINDS.items() if kind == "category"],
    )
    now, usual = (Dataset.from_pandas(side[list(KINDS)], data_definition=definition) for side in (window, reference))

    def run() -> dict[str, float]:
        snapshot = Report([DataDriftPreset()]).run(now, usual)
        found = {}
        for metric in snapshot.dict()["metrics"]:
            column = metric["config"].get("column")
            if column in KINDS:
                found[column] = float(metric["value"])
        return found

    return run


def compare(rows: int) -> Result:
    reference, window = frame(rows, seed=1, shift=0.0), frame(rows, seed=2, shift=0.05)
    rule = DriftRule(rows_min=1000)

    def verdict(prepared: ReferenceBlocks) -> None:
        judge_drift("features", measure(window, prepared), len(window), rule)

    preset = evidently_run(window, reference)
    shown = preset()  # the first run pays for imports and caches
    prepared = ReferenceBlocks.of(reference, KINDS, WINDOW_DAYS)
    ours = {column.column: column.distance for column in measure(window, prepared) if not column.missing}
    rounds = [
        (
            seconds(lambda: verdict(prepared)),
            seconds(lambda: verdict(ReferenceBlocks.of(reference, KINDS, WINDOW_DAYS))),
            seconds(preset),
        )
        for _ in range(ROUNDS)
    ]
    warm, cold, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    return Result(
        name="drift_speed",
        figures={
            "rows": rows,
            "columns": len(KINDS),
            "verdict_warm_seconds": round(warm, 3),
            "verdict_cold_seconds": round(cold, 3),
            "preset_over_verdict": round(theirs / warm, 1),
            "preset_over_cold_verdict": round(theirs / cold, 1),
            "distances_compared": len(set(shown) & set(ours)),
            "largest_difference": max(abs(ours[name] - shown[name]) for name in KINDS),
        },
        goals={
            "verdict_warm_seconds": ("<=", 1.5),
            "preset_over_verdict": (">=", 4),
            "distances_compared": ("==", len(KINDS)),
            "largest_difference": ("<=", 1e-9),
        },
        peers={"evidently": {"preset_seconds": round(theirs, 3)}},
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    result = compare(QUICK_ROWS if parser.parse_args().quick else ROWS)
    return finish(result)


if __name__ == "__main__":
    sys.exit(main())
