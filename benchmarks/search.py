"""Value of the flights' parameter search: the estimator as written against the parameters found, month by month.

Both are fitted on the same rows and compared on the following fortnight, by log-loss (nats per row). The rows, the seed
and the settings alone decide what is found, unless the search runs out of time: `cut_short_months` counts those.
"""

import argparse
import time
from datetime import date
from typing import Any

import structlog

from benchmarks.result import Result, keep
from benchmarks.year.world import LOSS, World
from tasks.training.dataset import TrainingDataset, read_dataset, targets_of
from tasks.training.fit import fit_model
from tasks.training.inference import predict
from tasks.training.plan import plan_training

log = structlog.get_logger(__name__)

MONTH_ENDS = tuple(date.fromisoformat(f"2013-{day}") for day in ("02-28", "04-30", "06-30", "08-31", "10-31", "12-30"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Two months only.")
    ends = MONTH_ENDS[:2] if parser.parse_args().quick else MONTH_ENDS
    world = World.of_2013()
    gains, seconds, replaced, cut_short = [], [], 0, 0
    for until in ends:
        plan = plan_training(world.pipeline, world.labels, until)
        dataset = read_dataset(plan, world.labels)
        started = time.perf_counter()
        trained = fit_model(plan, dataset, world.pipeline.estimator)
        seconds.append(time.perf_counter() - started - trained.seconds)
        found = trained.search
        assert found is not None  # the flights' pipeline has a search section
        cut_short += found.cut_short
        gains.append(0.0)
        if found.parameters:
            replaced += 1
            as_written = world.pipeline.estimator().fit(dataset.train_inputs, targets_of(plan, dataset.train))
            gains[-1] = _mean_loss(as_written, dataset) - _mean_loss(trained.estimator, dataset)
        log.info("searched", until=until.isoformat(), found=found.parameters, gain=round(gains[-1], 4))
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


def _mean_loss(estimator: Any, dataset: TrainingDataset) -> float:
    return float(LOSS.of(predict(estimator, dataset.held_out_inputs), dataset.held_out_labels).mean())


if __name__ == "__main__":
    main()
