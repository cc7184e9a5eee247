"""Value of a parameter search: what it finds against the estimator as written, on the fortnight after its rows.

    python -m benchmarks.search [--quick] [--only SET ...]

The flights month by month, and three public data sets (a class, a quantity, three classes) with few and with many rows
per day. The same parameters are searched by scikit-learn's successive halving, and by Optuna where it is installed. A
gain is in nats or label variances per row. The rows, the seed and the settings alone decide what is found.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

import structlog

from benchmarks.result import Figure, Result, finish
from benchmarks.searches.methods import methods
from benchmarks.searches.origins import MONTH_ENDS, ROWS_PER_DAY, SETS, Origin, flights, shared

FORTNIGHTS = 5


def sets(months: int, fortnights: int, only: Sequence[str]) -> Iterator[tuple[str, Callable[[], Iterator[Origin]]]]:
    """Name and origins of each set."""
    found: dict[str, Callable[[], Iterator[Origin]]] = {"flights": lambda: flights(months)}
    for name in SETS:
        for size, rows in ROWS_PER_DAY.items():
            found[f"{name}_{size}"] = lambda name=name, rows=rows: shared(name, rows, fortnights)  # type: ignore[misc]
    return (each for each in found.items() if not only or each[0] in only)


def run(months: int, fortnights: int, only: Sequence[str] = ()) -> Result:
    """Gains, replacements and seconds of each method on each set."""
    from threadpoolctl import threadpool_limits

    figures: dict[str, Figure] = {}
    peers: dict[str, dict[str, Figure]] = {}
    with threadpool_limits(1):
        for name, origins in sets(months, fortnights, only):
            try:
                measured = measure(origins())
            except FileNotFoundError as exc:
                print(f"left out: {exc}", file=sys.stderr)
                continue
            print(name, json.dumps(measured), file=sys.stderr)
            for method, found in measured.items():
                kept = figures if method == "ours" else peers.setdefault(method, {})
                kept |= {f"{name}_{figure}": value for figure, value in found.items()}
    goal = {name: (">=", -0.01) for name in figures if name.endswith("gain_worst")}
    return Result("search", figures, goals=goal, peers=peers)  # type: ignore[arg-type]


def measure(origins: Iterator[Origin]) -> dict[str, dict[str, Figure]]:
    """Figures of each method over the origins of one set."""
    gains: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for origin in origins:
        as_written = origin.later_loss({})
        for method, searched in methods().items():
            parameters, taken = searched(origin)
            gains.setdefault(method, []).append(as_written - origin.later_loss(parameters) if parameters else 0.0)
            seconds.setdefault(method, []).append(taken)
    return {
        method: {
            "origins": len(found),
            "replaced": sum(gain != 0 for gain in found),
            "gain_mean": round(fmean(found), 5),
            "gain_worst": round(min(found), 5),
            "gain_best": round(max(found), 5),
            "seconds_max": round(max(seconds[method]), 2),
        }
        for method, found in gains.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two months of flights, two fortnights of the other sets")
    parser.add_argument("--only", nargs="+", default=(), help="run and print some of the sets, keep no result")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    months, fortnights = (2, 2) if arguments.quick else (len(MONTH_ENDS), FORTNIGHTS)
    return finish(run(months, fortnights, arguments.only), partial=bool(arguments.only))


if __name__ == "__main__":
    sys.exit(main())
