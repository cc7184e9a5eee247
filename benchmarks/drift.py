"""Drift verdicts measured: false alarms, power by dose, and the year 2013 replayed by five retraining policies.

    python -m benchmarks.drift [--quick] [--only false_alarms power concept preset replay]

The real flow ingests the flights of 2013 once; they stay under var/bench/. Evidently's preset is judged with its own
thresholds on its distances, which equal ours to 1e-9; its report is run on some of the windows to prove that. `--quick`
uses fewer weeks and seeds, and replays the year until 25 April. `--only` prints some parts and keeps no result. Exits 1
when a goal was missed. 20 minutes, 3 with --quick.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import structlog

from benchmarks.result import Comparison, Figure, Result, finish
from benchmarks.year.concept import quality_alarms
from benchmarks.year.lake import LAST
from benchmarks.year.preset import disagreements
from benchmarks.year.reported_drift import count_reported, held_out_weeks, measure_power, shuffled_weeks
from benchmarks.year.world import FIRST_UNTIL, LOSS, World
from tasks.backtest.policies import policy_named
from tasks.backtest.scoring import Scoring
from tasks.evaluation.scores import score

POLICIES = ("never", "every_alarm", "half_the_columns", "ours", "ours_on_drops")
EVERY_DAYS = 14  # the held-out days of the flights, which is the schedule that `autopilot init` would write for them
SMALL_ROWS = 1_000  # of a window: the fewest that the flights pipeline judges
GOALS: Mapping[str, tuple[Comparison, float]] = {
    "preset_verdicts_differing": ("==", 0),
    "replay_ours_log_loss_less_every_alarm": ("<=", 0),
    "replay_ours_log_loss_less_never": ("<=", 0),
    "replay_ours_retrains_over_every_alarm": ("<=", 0.5),
    "replay_ours_wrong_promotions": ("==", 0),
}

Figures = Mapping[str, Figure]


@dataclass(frozen=True)
class Study:
    """The size of the study: days between stretches of weeks, seeds, windows judged by the preset itself, last day."""

    step_days: int
    seeds: int
    preset_windows: int
    replay_until: date

    @cached_property
    def world(self) -> World:
        return World.of_2013()

    def false_alarms(self) -> tuple[Figures, dict[str, Figures]]:
        world = self.world
        return {
            **count_reported(world, held_out_weeks(world, self.step_days)).figures("held_out"),
            **count_reported(world, shuffled_weeks(world, self.seeds)).figures("shuffled"),
            **count_reported(world, shuffled_weeks(world, self.seeds), SMALL_ROWS).figures("shuffled_small"),
        }, {}

    def power(self) -> tuple[Figures, dict[str, Figures]]:
        power = measure_power(self.world, held_out_weeks(self.world, self.step_days))
        return power.figures("ours"), {"evidently": power.figures("preset")}

    def concept(self) -> tuple[Figures, dict[str, Figures]]:
        found = quality_alarms(self.world, self.seeds)
        return {f"quality_{name}_failed_share": share for name, share in found.items()}, {}

    def preset(self) -> tuple[Figures, dict[str, Figures]]:
        weeks = [week for week, _ in zip(held_out_weeks(self.world, 63), range(self.preset_windows), strict=False)]
        differing, largest = disagreements(self.world, weeks)
        return {
            "preset_windows": len(weeks),
            "preset_verdicts_differing": differing,
            "preset_largest_difference": largest,
        }, {}

    def replay(self) -> tuple[Figures, dict[str, Figures]]:
        runs = {name: self._replay(name) for name in POLICIES}
        ours, every = runs["ours"], runs["every_alarm"]
        figures = {f"replay_ours_{name}": value for name, value in ours.items()}
        for rival in ("every_alarm", "never"):
            figures[f"replay_ours_log_loss_less_{rival}"] = round(ours["log_loss"] - runs[rival]["log_loss"], 5)
        figures["replay_ours_retrains_over_every_alarm"] = round(ours["retrains"] / max(every["retrains"], 1), 3)
        return figures, {name: dict(runs[name]) for name in POLICIES if name != "ours"}

    def _replay(self, name: str) -> dict[str, float]:
        period = self.world.period(self.replay_until)
        run = policy_named(name, EVERY_DAYS)(self.world.fits, period)
        scoring = Scoring(self.world.fits, period, LOSS)
        scored = score(scoring.predictions(run)[scoring.inside], scoring.labels[scoring.inside])
        return {
            "log_loss": round(scored.log_loss, 5),
            "auc": round(scored.auc, 4),
            "scored_rows": scored.rows,
            "retrains": len(run.trained),
            "promotions": run.promoted,
            "wrong_promotions": len(scoring.wrong_promotions(run)),
        }


FULL = Study(step_days=7, seeds=200, preset_windows=7, replay_until=LAST)
QUICK = Study(step_days=63, seeds=20, preset_windows=1, replay_until=FIRST_UNTIL + timedelta(days=56))
PARTS: dict[str, Callable[[Study], tuple[Figures, dict[str, Figures]]]] = {
    "false_alarms": Study.false_alarms,
    "power": Study.power,
    "concept": Study.concept,
    "preset": Study.preset,
    "replay": Study.replay,
}


def run(study: Study, parts: list[str]) -> Result:
    """Run the parts one after the other and combine them to one result."""
    from threadpoolctl import threadpool_limits

    figures: dict[str, Figure] = {}
    peers: dict[str, dict[str, Figure]] = {}
    with threadpool_limits(1):
        for part in parts:
            ours, theirs = PARTS[part](study)
            figures |= ours
            for name, found in theirs.items():
                peers[name] = {**peers.get(name, {}), **found}
    goals = {figure: goal for figure, goal in GOALS.items() if figure in figures}
    return Result(name="drift", figures=figures, goals=goals, peers=peers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="use fewer weeks and seeds, and the year until 25 April")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="run and print some of the parts, keep no result")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    result = run(QUICK if arguments.quick else FULL, arguments.only or list(PARTS))
    return finish(result, partial=bool(arguments.only))


if __name__ == "__main__":
    sys.exit(main())
