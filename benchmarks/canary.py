"""How soon a bad canary is aborted, and how often a sound one: ours and three other ways, on the same requests.

    python -m benchmarks.canary [--quick] [--processes 2]

Requests are simulated, judged are they by the very guard that the gateway asks, with the rules of the product. A whole
sound trial is 200 copies in shadow and 62,000 requests at 5, 25, 50 and 100 %. Twenty minutes on two cores, a minute
with --quick, which has fewer runs of the same. Exits 1 when a goal was missed.
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
from benchmarks.canaries.peers import MINUTE_REQUESTS, PEERS, Judge
from benchmarks.canaries.stream import CHAMPION_RATE, Stage, Stream, outage, steady, sticky, turning
from benchmarks.result import Comparison, Figure, Result, keep
from healing.trial_rules import DEFAULT_RULES

TRIAL = (Stage(0.05, 20_000), Stage(0.25, 20_000), Stage(0.5, 20_000), Stage(1.0, 2_000))
COPIES = 200
STICKY = (Stage(0.05, 20_000), Stage(0.25, 20_000), Stage(0.5, 20_000))
SHARES = (0.05, 0.25, 0.5)
# Error rates of a bad challenger, and how many requests it gets at least: enough for ours to find nearly all.
HARM = {0.006: 25_000, 0.01: 10_000, 0.02: 5_000, 0.05: 3_000, 0.5: 3_000}
MINUTES_MIN = 30  # and for those who look every ten minutes
CLEAN_BEFORE, BAD_AFTER = 20_000, 60_000
LATE_SHARE, LATE_RATE = 0.05, 0.05
OUTAGE_REQUESTS = 30_000

OURS = "ours"
EVERY_ERROR = "every_error"  # ours, were each failure of one client counted
JUDGES: Mapping[str, Judge] = {OURS: aborted_at, **PEERS}
STICKY_JUDGES: Mapping[str, Judge] = {**JUDGES, EVERY_ERROR: partial(aborted_at, by_client=False)}


@dataclass(frozen=True, slots=True)
class Plan:
    """Runs of each scenario. The weakest harm and an outage cost most time a run, and have fewest."""

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
BOUND_RUNS_MIN = 10_000  # fewer could not bound the share by alpha even if it were a third of it


@dataclass(frozen=True, slots=True)
class Seen:
    """When a judge aborted: after so many requests of both arms, and of the challenger since it is bad. None: never."""

    requests: int | None
    challenger: int | None


Run = dict[str, Seen]  # by judge


def judged(stream: Stream, judges: Mapping[str, Judge] = JUDGES, clean: int = 0) -> Run:
    """One canary before every judge. Who aborts among the first `clean` requests, which are sound, found nothing."""

    def seen(at: int | None) -> Seen:
        if at is None or at < clean:
            return Seen(at, None)
        return Seen(at, stream.challenger_requests(at) - stream.challenger_requests(clean))

    return {name: seen(judge(stream)) for name, judge in judges.items()}


def sound_run(seed: int) -> Run:
    return judged(steady((1, seed), TRIAL, CHAMPION_RATE, COPIES))


def harm_run(share: float, rate: float, seed: int) -> Run:
    minutes = max(math.ceil(HARM[rate] / share / MINUTE_REQUESTS), MINUTES_MIN)
    stage = Stage(share, minutes * MINUTE_REQUESTS)
    return judged(steady((2, round(rate * 1000), round(share * 100), seed), (stage,), rate))


def late_run(seed: int) -> Run:
    return judged(turning((3, seed), LATE_SHARE, CLEAN_BEFORE, BAD_AFTER, LATE_RATE), clean=CLEAN_BEFORE)


def outage_run(seed: int) -> Run:
    return judged(outage((4, seed), SHARES[seed % 3], OUTAGE_REQUESTS))


def sticky_run(seed: int) -> Run:
    return judged(sticky((5, seed), STICKY), STICKY_JUDGES)


def all_runs(pool: Pool, run: Callable[[int], Run], count: int) -> list[Run]:
    return pool.map(run, range(count), chunksize=max(1, count // 50))


def upper_95(found: int, runs: int) -> float:
    """The largest true chance under which `found` or fewer in so many runs are seen one time in twenty.

    Clopper & Pearson (1934), one-sided, by bisection.
    """
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
    """Median and nine-tenths delay in the challenger's requests, None where fewer runs were found, and the share."""
    delays = [math.inf if delay is None else float(delay) for delay in seen]
    tenths = quantiles(delays, n=10, method="inclusive") if math.inf not in delays else _with_gaps(delays)
    return {
        f"{prefix}_p50_requests": _finite(tenths[4]),
        f"{prefix}_p90_requests": _finite(tenths[8]),
        f"{prefix}_found_share": round(sum(math.isfinite(delay) for delay in delays) / len(delays), 4),
    }


def _with_gaps(delays: Sequence[float]) -> list[float]:
    """Deciles as observations, since there is nothing between a number and never."""
    ordered = sorted(delays)
    return [ordered[math.ceil(len(ordered) * tenth / 10) - 1] for tenth in range(1, 10)]


def _finite(value: float) -> Figure:
    return round(value, 1) if math.isfinite(value) else None


def rollbacks(runs: Sequence[Run], judge: str) -> int:
    return sum(run[judge].requests is not None for run in runs)


def sound_figures(runs: Sequence[Run], judge: str) -> dict[str, Figure]:
    false = rollbacks(runs, judge)
    return {
        "sound_rollback_share": false / len(runs),
        "sound_rollback_share_upper_95": round(upper_95(false, len(runs)), 6),
    }


def late_figures(runs: Sequence[Run], judge: str) -> dict[str, Figure]:
    too_soon = sum(run[judge].requests is not None and run[judge].challenger is None for run in runs)
    delays = delay_figures("late", [run[judge].challenger for run in runs])
    return {"late_false_rollback_share": too_soon / len(runs), **delays}


def measure(plan: Plan, pool: Pool) -> dict[str, dict[str, Figure]]:
    """The figures of every judge."""
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
        for name in JUDGES
    }
    figures[OURS]["sticky_counting_every_error_rollback_share"] = rollbacks(clustered, EVERY_ERROR) / plan.clustered
    for rate in HARM:
        for share in SHARES:
            runs = all_runs(pool, partial(harm_run, share, rate), plan.weakest if rate == min(HARM) else plan.harm)
            for name in JUDGES:
                prefix = f"error_{rate * 100:g}_share_{share * 100:g}"
                figures[name].update(delay_figures(prefix, [run[name].challenger for run in runs]))
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer runs of the same")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    with get_context("spawn").Pool(arguments.processes) as pool:
        measured = measure(plan, pool)
    sizes: dict[str, Figure] = {f"{name}_runs": count for name, count in asdict(plan).items()}
    sizes["alpha"] = DEFAULT_RULES.alpha
    goals = {**GOALS, **(BOUND_GOAL if plan.sound >= BOUND_RUNS_MIN else {})}
    result = Result("canary", {**sizes, **measured.pop(OURS)}, goals, measured)
    keep(result)
    for missed in result.missed():
        print(f"missed: {missed}", file=sys.stderr)
    return 1 if result.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
