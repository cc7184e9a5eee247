"""Training rows with the fortnight after them: of the flights month by month, and of public data sets.

A search sees the training rows only. What it finds is fitted on them and scored on the fortnight.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from benchmarks.drifting.streams import FIRST, OUTCOME, data_set
from benchmarks.year.world import World
from tasks.config.retrain_section import Range, Search
from tasks.evaluation.losses import LogLoss, Loss, SquaredError
from tasks.lake.columns import ASKED_AT, BATCH_DAY
from tasks.training.dataset import read_dataset, targets_of, training_loss
from tasks.training.inference import predict
from tasks.training.plan import plan_training
from tasks.training.search import SearchData

if TYPE_CHECKING:
    import pandas as pd

MONTH_ENDS = tuple(date.fromisoformat(f"2013-{day}") for day in ("02-28", "04-30", "06-30", "08-31", "10-31", "12-30"))
FLIGHTS_SEARCH = Search(
    parameters={
        "trees__learning_rate": (0.03, 0.06, 0.12),
        "trees__max_leaf_nodes": (7, 15, 31),
        "trees__l2_regularization": (1.0, 20.0),
    },
    candidates_max=9,
    seconds_max=600,
)
TREES_SEARCH = Search(
    parameters={
        "learning_rate": Range(low=0.02, high=0.3, scale="log"),
        "max_leaf_nodes": Range(low=4, high=63, scale="log"),
        "min_samples_leaf": Range(low=5, high=200, scale="log"),
        "l2_regularization": Range(low=0.1, high=50.0, scale="log"),
    },
    candidates_max=9,
    seconds_max=600,
)
ROWS_PER_DAY = {"few": 30, "many": 240}
TRAIN_DAYS, HELD_OUT_DAYS = 56, 14
FIRST_HELD_OUT, LAST_HELD_OUT = 56, 112  # days; a fortnight begins every 14 days
SETS = {
    "california_housing": ("clf_target", "class"),
    "used_car_price": ("y_true", "value"),
    "credit_card_classes": ("y_true", "classes"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Rows to search and fit on, and later rows to score; how an estimator is built, and what may be searched."""

    rows: SearchData
    later_inputs: "pd.DataFrame"
    later_labels: Any
    build: Callable[[], Any]
    rules: Search
    seed: int

    def later_loss(self, parameters: Any) -> float:
        """Mean loss on the later rows of the estimator with `parameters`, fitted on all training rows."""
        estimator = self.build().set_params(**parameters).fit(self.rows.inputs, self.rows.targets)
        return float(self.rows.loss(predict(estimator, self.later_inputs), self.later_labels).mean())


def flights(months: int) -> Iterator[Origin]:
    """The flights pipeline with its estimator, at the ends of `months` months."""
    world = World.of_2013()
    for seed, until in enumerate(MONTH_ENDS[:months]):
        plan = plan_training(world.pipeline, world.labels, until)
        dataset = read_dataset(plan, world.labels)
        rows = SearchData(
            dataset.train_inputs,
            targets_of(plan, dataset.train),
            dataset.train[BATCH_DAY],
            training_loss(plan, dataset).of,
            predict,
        )
        labels = dataset.held_out_labels
        yield Origin(rows, dataset.held_out_inputs, labels, world.pipeline.estimator, FLIGHTS_SEARCH, seed)


def shared(name: str, rows_per_day: int, fortnights: int) -> Iterator[Origin]:
    """A public data set with scikit-learn's default trees. FileNotFoundError where it is not available."""
    label, kind = SETS[name]
    stream = data_set(name, label, is_class=kind != "value", rows_per_day=rows_per_day)
    table = stream.rows.assign(place=[(day - FIRST).days for day in stream.rows[BATCH_DAY]])
    inputs = [column for column in table if column not in ("id", ASKED_AT, BATCH_DAY, OUTCOME, "place")]
    for seed, first in enumerate(range(FIRST_HELD_OUT, LAST_HELD_OUT + 1, HELD_OUT_DAYS)[:fortnights]):
        train = table[(table["place"] >= first - TRAIN_DAYS) & (table["place"] < first)].reset_index(drop=True)
        later = table[(table["place"] >= first) & (table["place"] < first + HELD_OUT_DAYS)]
        loss: Loss = SquaredError(float(train[OUTCOME].var())) if kind == "value" else LogLoss()
        rows = SearchData(train[inputs], train[OUTCOME], train[BATCH_DAY], loss.of, predict)
        build = build_regressor if kind == "value" else build_classifier
        yield Origin(rows, later[inputs], later[OUTCOME].to_numpy(), build, TREES_SEARCH, seed)


def build_classifier() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(early_stopping=False, random_state=2013)


def build_regressor() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(early_stopping=False, random_state=2013)
