"""How soon a bad canary is aborted, and how often a sound one: the trial guard and three other methods.

    python -m benchmarks.canary [--quick] [--processes 2]

All methods get the same simulated requests. The guard is the gateway's, with the default rules. A whole sound trial is
200 copies in shadow and 62,000 requests at 5, 25, 50 and 100 %. Takes twenty minutes on two cores; --quick takes one
minute and has fewer runs of each scenario. Exits 1 when a goal is missed.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from statistics import quantiles

from benchmarks.canaries.ours import aborted_at
from benchmarks.canaries.peers import MINUTE_REQUESTS, PEERS, Method
from benchmarks.canaries.stream import CHAMPION_RATE, Stage, Stream, outage, steady, sticky, turning
from benchmarks.result import Comparison, Figure, Result, finish
from healing.trial_rules import DEFAULT_RULES

TRIAL = (Stage(0.05, 20_000), Stage(0.25, 20_000), Stage(0.5, 20_000), Stage(1.0, 2_000))
COPIES = 200
STICKY = (Stage(0.05, 20_000), Stage(0.25, 20_000), Stage(0.5, 20_000))
SHARES = (0.05, 0.25, 0.5)
# Error rates of a bad challenger, and its minimum of requests: enough for the guard to abort nearly all runs.
BAD_RATES = {0.006: 25_000, 0.01: 10_000, 0.02: 5_000, 0.05: 3_000, 0.5: 3_000}
MINUTES_MIN = 30  # for the method that decides every ten minutes
CLEAN_BEFORE, BAD_AFTER = 20_000, 60_000
LATE_SHARE, LATE_RATE = 0.05, 0.05
OUTAGE_REQUESTS = 30_000

OURS = "ours"
EVERY_ERROR = "every_error"  # the guard, if it counted every failure of a client
METHODS: Mapping[str, Method] = {OURS: aborted_at, **PEERS}
STICKY_METHODS: Mapping[str, Method] = {**METHODS, EVERY_ERROR: partial(aborted_at, by_client=False)}


@dataclass(frozen=True, slots=True)
class Plan:
    """Runs of each scenario; fewest of the weakest error rate and of an outage, whose runs take longest.

    The names are keys of the kept result.
    """

    sound: int
    harm: int
    weakest: int
    clustered: int
    late: int
    outage: int


FULL = Plan(sound=100_000, harm=2_000, weakest=400, clustered=2_000, late=2_000, outage=600)
QUICK = Plan(sound=3_200, harm=300, weakest=6, clustered=100, late=200, outage=30)
GOALS: dict[str, tuple[Comparison, float]] = {
    "sound_rollback_share": ("<=", DEFAULT_RULES.alpha),
    "error_5_share_5_p50_requests": ("<=", 110),
    "outage_rollbacks": ("==", 0),
    "sticky_rollback_share": ("<=", DEFAULT_RULES.alpha),
}
BOUND_GOAL: dict[str, tuple[Comparison, float]] = {"sound_rollback_share_upper_95": ("<=", DEFAULT_RULES.alpha)}
BOUND_RUNS_MIN = 10_000  # fewer runs cannot bound the share by alpha, even if it is a third of alpha


@dataclass(frozen=True, slots=True)
class Seen:
    """When a method aborted: requests of both arms until then, and of the challenger since it is bad. None: never."""

    requests: int | None
    challenger: int | None


Run = dict[str, Seen]  # by method


def run_methods(stream: Stream, methods: Mapping[str, Method] = METHODS, clean: int = 0) -> Run:
    """The result of every method on one canary. An abort in the first `clean` requests is a mistake."""

    def seen(at: int | None) -> Seen:
        if at is None or at < clean:
            return Seen(at, None)
        return Seen(at, stream.challenger_requests(at) - stream.challenger_requests(clean))

    return {name: seen(method(stream)) for name, method in methods.items()}


def sound_run(seed: int) -> Run:
    return run_methods(steady((1, seed), TRIAL, CHAMPION_RATE, COPIES))


def bad_run(share: float, rate: float, seed: int) -> Run:
    minutes = max(math.ceil(BAD_RATES[rate] / share / MINUTE_REQUESTS), MINUTES_MIN)
    stage = Stage(share, minutes * MINUTE_REQUESTS)
    return run_methods(steady((2, round(rate * 1000), round(share * 100), seed), (stage,), rate))


def late_run(seed: int) -> Run:
    return run_methods(turning((3, seed), LATE_SHARE, CLEAN_BEFORE, BAD_AFTER, LATE_RATE), clean=CLEAN_BEFORE)


def outage_run(seed: int) -> Run:
    return run_methods(outage((4, seed), SHARES[seed % 3], OUTAGE_REQUESTS))


def sticky_run(seed: int) -> Run:
    return run_methods(sticky((5, seed), STICKY), STICKY_METHODS)


def all_runs(pool: Pool, run: Callable[[int], Run], count: int) -> list[Run]:
    return pool.map(run, range(count), chunksize=max(1, count // 50))


def upper_95(found: int, runs: int) -> float:
    """Upper 95 % bound on the probability behind `found` in `runs` (Clopper & Pearson, 1934, one-sided)."""
    low, high = found / runs, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if _at_most(found, runs, middle) > 0.05:
            low = middle
        else:
            high = middle
    return high


def _at_most(found: int, runs: int, chance: float) -> float:
    """P(X <= found) for a binomial X."""
    if chance >= 1:
        return float(found >= runs)
    terms = (
        math.lgamma(runs + 1)
        - math.lgamma(count + 1)
        - math.lgamma(runs - count + 1)
        + (count * math.log(chance) if count else 0.0)
        + (runs - count) * math.log1p(-chance)
        for count in range(found + 1)
    )
    return math.fsum(math.exp(term) for term in terms)


def delay_figures(prefix: str, seen: Iterable[int | None]) -> dict[str, Figure]:
    """Median and 90 % quantile of the challenger's requests until the abort (None: too few aborts), and their share."""
    delays = [math.inf if delay is None else float(delay) for delay in seen]
    tenths = quantiles(delays, n=10, method="inclusive") if math.inf not in delays else _with_gaps(delays)
    return {
        f"{prefix}_p50_requests": _finite(tenths[4]),
        f"{prefix}_p90_requests": _finite(tenths[8]),
        f"{prefix}_found_share": round(sum(math.isfinite(delay) for delay in delays) / len(delays), 4),
    }


def _with_gaps(delays: Sequence[float]) -> list[float]:
    """Deciles that are observations: there is no value between a number and never."""
    ordered = sorted(delays)
    return [ordered[math.ceil(len(ordered) * tenth / 10) - 1] for tenth in range(1, 10)]


def _finite(value: float) -> Figure:
    return round(value, 1) if math.isfinite(value) else None


def rollbacks(runs: Sequence[Run], method: str) -> int:
    return sum(run[method].requests is not None for run in runs)


def sound_figures(runs: Sequence[Run], method: str) -> dict[str, Figure]:
    false = rollbacks(runs, method)
    return {
        "sound_rollback_share": false / len(runs),
        "sound_rollback_share_upper_95": round(upper_95(false, len(runs)), 6),
    }


def late_figures(runs: Sequence[Run], method: str) -> dict[str, Figure]:
    too_soon = sum(run[method].requests is not None and run[method].challenger is None for run in runs)
    delays = delay_figures("late", [run[method].challenger for run in runs])
    return {"late_false_rollback_share": too_soon / len(runs), **delays}


def measure(plan: Plan, pool: Pool) -> dict[str, dict[str, Figure]]:
    """The figures of every method."""
    sound = all_runs(pool, sound_run, plan.sound)
    clustered = all_runs(pool, sticky_run, plan.clustered)
    shared = all_runs(pool, outage_run, plan.outage)
    late = all_runs(pool, late_run, plan.late)
    figures: dict[str, dict[str, Figure]] = {
        name: {
            **sound_figures(sound, name),
            "sticky_rollback_share": rollbacks(clustered, name) / plan.clustered,
            "outage_rollbacks": rollbacks(shared, name),
            **late_figures(late, name),
        }
        for name in METHODS
    }
    figures[OURS]["sticky_counting_every_error_rollback_share"] = rollbacks(clustered, EVERY_ERROR) / plan.clustered
    for rate in BAD_RATES:
        for share in SHARES:
            runs = all_runs(pool, partial(bad_run, share, rate), plan.weakest if rate == min(BAD_RATES) else plan.harm)
            for name in METHODS:
                prefix = f"error_{rate * 100:g}_share_{share * 100:g}"
                figures[name].update(delay_figures(prefix, [run[name].challenger for run in runs]))
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer runs of each scenario")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    with get_context("spawn").Pool(arguments.processes) as pool:
        measured = measure(plan, pool)
    sizes: dict[str, Figure] = {f"{name}_runs": count for name, count in asdict(plan).items()}
    sizes["alpha"] = DEFAULT_RULES.alpha
    goals = {**GOALS, **(BOUND_GOAL if plan.sound >= BOUND_RUNS_MIN else {})}
    result = Result("canary", {**sizes, **measured.pop(OURS)}, goals, measured)
    return finish(result)


if __name__ == "__main__":
    sys.exit(main())
