"""When to retrain: the area under the cost curve of each policy on streams with drift, over the offline optimum.

    python -m benchmarks.renewal [--quick] [--only STREAM ...]

Three public data sets (`AUTOPILOT_SHARED_DATA`, ../shared/data by default; a missing one is left out) and three
generators of river with known changes. Each is replayed by `tasks.backtest`, as `autopilot backtest` does. A figure is
the mean over seeds of a generator, with the lowest and the highest. `--quick` uses 2 seeds instead of 30. Two minutes
of processor time with --quick.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

import structlog

from benchmarks.drifting.streams import Stream, data_sets, generators
from benchmarks.drifting.world import backtest
from benchmarks.result import Comparison, Figure, Result, finish

OURS = "ours_at_price"
RIVALS = ("never", "random", "every_alarm", "adwin", "cara_threshold", "cara_cumulative")
OTHERS = ("ours", "ours_without_returns")  # our policies that are shown and have no goal
OVER_OPTIMUM_MAX = 1.15
SEEDS, SEEDS_QUICK = 30, 2


def streams(seeds: int, only: Sequence[str]) -> Iterator[tuple[str, Callable[[], Stream]]]:
    """The name and the maker of each stream, a generator's once per seed."""
    chosen = [(name, make) for name, make in data_sets().items()]
    chosen += [(name, make) for seed in range(seeds) for name, make in generators(seed).items()]
    return (each for each in chosen if not only or each[0] in only)


def run(seeds: int, only: Sequence[str] = ()) -> Result:
    """Cost area over the optimum's, by stream and policy. The best fixed schedule of each stream is one rival."""
    from threadpoolctl import threadpool_limits

    areas: dict[str, dict[str, list[float]]] = {}
    with threadpool_limits(1):
        for name, make in streams(seeds, only):
            try:
                stream = make()
            except FileNotFoundError as exc:
                print(f"left out: {exc}", file=sys.stderr)
                continue
            with tempfile.TemporaryDirectory() as folder:
                report = backtest(stream, Path(folder))
            found = {policy.name: policy.cost_area_over_optimum for policy in report.policies}
            found["best_schedule"] = min(area for policy, area in found.items() if policy.endswith("_days"))
            print(name, json.dumps({policy: round(area, 4) for policy, area in found.items()}), file=sys.stderr)
            for policy, area in found.items():
                areas.setdefault(name, {}).setdefault(policy, []).append(area)
    return _result(areas)


def _result(areas: dict[str, dict[str, list[float]]]) -> Result:
    figures: dict[str, Figure] = {}
    peers: dict[str, dict[str, Figure]] = {name: {} for name in (*RIVALS, "best_schedule", *OTHERS)}
    goals: dict[str, tuple[Comparison, float]] = {}
    for stream, found in areas.items():
        ours = found[OURS]
        figures |= {
            f"{stream}_seeds": len(ours),
            f"{stream}_over_optimum": round(fmean(ours), 4),
            f"{stream}_over_optimum_lowest": round(min(ours), 4),
            f"{stream}_over_optimum_highest": round(max(ours), 4),
        }
        goals[f"{stream}_over_optimum"] = ("<=", OVER_OPTIMUM_MAX)
        for rival in (*RIVALS, "best_schedule"):
            ratio = f"{stream}_over_{rival}"
            figures[ratio] = round(fmean(mine / theirs for mine, theirs in zip(ours, found[rival], strict=True)), 4)
            goals[ratio] = ("<=", 1.0)
        for name, of_peer in peers.items():
            of_peer[f"{stream}_over_optimum"] = round(fmean(found[name]), 4)
    return Result(name="renewal", figures=figures, goals=goals, peers=peers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"use {SEEDS_QUICK} seeds instead of {SEEDS}")
    parser.add_argument("--only", nargs="+", default=(), help="run and print some of the streams, keep no result")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    result = run(SEEDS_QUICK if arguments.quick else SEEDS, arguments.only)
    return finish(result, partial=bool(arguments.only))


if __name__ == "__main__":
    sys.exit(main())
