"""The model alone, in a process of its own: what no server can be faster than.

    python -m benchmarks.serving.alone SECONDS

Prints one JSON object: the median of `predict` on one row in milliseconds, and rows a second in batches of 100, with
frames made beforehand and one math thread, as every server's model process has.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.result import PROJECT
from benchmarks.serving.processes import ONE_THREAD

BATCH_ROWS = 100
_FRAMES = 32


@dataclass(frozen=True, slots=True)
class Alone:
    predict_p50_ms: float
    rows_per_second: float


def measure_alone(seconds: float) -> Alone:
    """Run it for `seconds` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.serving.alone", str(seconds)]
    ran = subprocess.run(command, cwd=PROJECT, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    return Alone(**json.loads(ran.stdout.splitlines()[-1]))


def _measure(seconds: float) -> Alone:
    import numpy as np

    from benchmarks.serving.flights import build_world
    from benchmarks.serving.world import frame_of

    world = build_world()
    estimator = world.estimator("champion")
    took = {}
    for size in (1, BATCH_ROWS):
        frames = [frame_of(world, world.rows[n * size : (n + 1) * size]) for n in range(_FRAMES)]
        times: list[float] = []
        until = time.perf_counter() + seconds / 2
        while time.perf_counter() < until:
            started = time.perf_counter()
            estimator.predict_proba(frames[len(times) % _FRAMES])
            times.append(time.perf_counter() - started)
        took[size] = times
    return Alone(float(np.median(took[1])) * 1000, BATCH_ROWS * len(took[BATCH_ROWS]) / sum(took[BATCH_ROWS]))


if __name__ == "__main__":
    found = _measure(float(sys.argv[1]))
    print(json.dumps({"predict_p50_ms": found.predict_p50_ms, "rows_per_second": found.rows_per_second}))
