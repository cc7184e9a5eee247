"""Baseline models that a candidate is compared with: the base rate, a simple linear model, and the champion."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from releases.loader import LoadedModel
from releases.manifest import InputSchema
from tasks.evaluation.predictions import classes_of, in_order, predictions_of
from tasks.training.dataset import TrainingDataset, base_rate, class_shares, targets_of
from tasks.training.inference import as_inputs, predict
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BASE_RATE = "the base rate"  # for several classes their shares, for a quantity its mean
SIMPLE_MODEL = "a simple model"
CHAMPION = "the champion"

ROWS_MAX = 20_000  # the newest; a linear model of few features gains next to nothing from more
CATEGORIES_MAX = 50  # further categories of a column are merged into one
ITERATIONS_MAX = 500  # about 30 suffice on scaled inputs


def reference_predictions(
    plan: TrainingPlan, dataset: TrainingDataset, champion: LoadedModel | None
) -> Mapping[str, "NDArray[np.float64]"]:
    """Predictions of the base rate, and of the champion if there is one, for the held-out rows."""
    import numpy as np

    rows = len(dataset.held_out)
    if plan.classes:
        predictions = {BASE_RATE: np.tile(class_shares(plan, dataset), (rows, 1))}
    else:
        predictions = {BASE_RATE: np.full(rows, base_rate(dataset), dtype=np.float64)}
    if champion is not None:
        found = predictions_of(champion, as_inputs(dataset.held_out, champion.manifest.input_schema))
        predictions[CHAMPION] = in_order(found, classes_of(champion.manifest), plan.classes)
    return predictions


def simple_model_predictions(plan: TrainingPlan, dataset: TrainingDataset) -> "NDArray[np.float64]":
    """Predictions of the simple model for the held-out rows.

    The simple model is a logistic regression (a ridge regression for a quantity) on the same features, fitted on the
    newest training rows without any tuning. A candidate that is worse points to a mistake.
    """
    newest = dataset.train.iloc[-ROWS_MAX:]
    estimator = _linear_pipeline(dataset.schema, is_class=plan.is_class)
    estimator.fit(as_inputs(newest, dataset.schema), targets_of(plan, newest))
    return predict(estimator, dataset.held_out_inputs)


def _linear_pipeline(schema: InputSchema, *, is_class: bool) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts = [column.name for column in schema.columns if column.type == "string"]
    numbers = [column.name for column in schema.columns if column.type != "string"]
    columns = ColumnTransformer(
        [
            ("texts", OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=CATEGORIES_MAX), texts),
            ("numbers", make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()), numbers),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=ITERATIONS_MAX) if is_class else Ridge())
