"""Does the flights' search for parameters earn its time? The estimator as written and what was found, month by month.

Both learn from the same rows and are held against the fortnight after them, by log-loss (nats a row). Only the rows,
the seed and the settings decide what is found, unless the search runs out of its time: `cut_short` counts that.
"""

import argparse
import time
from datetime import date

import structlog

from benchmarks.result import Result, keep
from benchmarks.year.world import LOSS, World
from tasks.lake.columns import LABEL
from tasks.training.answers import predict
from tasks.training.candidate import plan_training
from tasks.training.training import Trained, as_inputs, fit, read_training_rows

log = structlog.get_logger(__name__)

MONTH_ENDS = tuple(date.fromisoformat(f"2013-{day}") for day in ("02-28", "04-30", "06-30", "08-31", "10-31", "12-30"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Two months only.")
    ends = MONTH_ENDS[:2] if parser.parse_args().quick else MONTH_ENDS
    world = World.of_2013()
    gains, seconds, replaced, cut_short = [], [], 0, 0
    for until in ends:
        plan = plan_training(world.pipeline, world.labels, until, None)
        rows = read_training_rows(plan, world.labels)
        began = time.perf_counter()
        searched = fit(plan, rows, world.pipeline.estimator)
        seconds.append(time.perf_counter() - began - searched.seconds)
        assert searched.found is not None  # the flights' pipeline says what to search
        cut_short += searched.found.cut_short
        if searched.found.parameters:
            replaced += 1
            gains.append(_loss(_as_written(world, searched)) - _loss(searched))
        else:
            gains.append(0.0)
        log.info("searched", until=until.isoformat(), found=searched.found.parameters, gain=round(gains[-1], 4))
    figures = {
        "months": len(ends),
        "replaced_months": replaced,
        "cut_short_months": cut_short,
        "gain_mean_nats": round(sum(gains) / len(gains), 5),
        "gain_worst_nats": round(min(gains), 5),
        "gain_best_nats": round(max(gains), 5),
        "search_seconds_max": round(max(seconds), 2),
    }
    keep(Result("search", figures, goals={"search_seconds_max": ("<=", 30.0), "gain_worst_nats": (">=", -0.01)}))


def _as_written(world: World, searched: Trained) -> Trained:
    """The same rows without what was found."""
    inputs = as_inputs(searched.rows.learned, searched.rows.schema)
    estimator = world.pipeline.estimator().fit(inputs, searched.rows.learned[LABEL].astype("int64"))
    return Trained(estimator, searched.rows, 0.0)


def _loss(trained: Trained) -> float:
    held_out = trained.rows.held_out
    answers = predict(trained.estimator, as_inputs(held_out, trained.rows.schema))
    return float(LOSS.of(answers, held_out[LABEL].to_numpy()).mean())


if __name__ == "__main__":
    main()
