"""The simplest model worth beating: a linear one on the same features, made without anybody's care.

What is more complicated and answers worse than this is a mistake somewhere.
"""

from typing import Any

from releases.manifest import InputSchema
from tasks.lake.columns import LABEL
from tasks.training.training import TrainingPlan, TrainingRows, as_inputs

ROWS_MAX = 20_000  # the newest; a linear model of few features gains next to nothing from more
CATEGORIES_MAX = 50  # the rest of a column's categories count as one
ITERATIONS_MAX = 500  # some 30 suffice on scaled inputs


def fit_simple_model(plan: TrainingPlan, rows: TrainingRows) -> Any:
    """Logistic regression, or ridge regression of a value, fitted on the newest rows that are learned from."""
    newest = rows.learned.iloc[-ROWS_MAX:]
    is_class = plan.output == "probability"
    estimator = _pipeline(rows.schema, is_class=is_class)
    return estimator.fit(as_inputs(newest, rows.schema), newest[LABEL].astype("int64" if is_class else "float64"))


def _pipeline(schema: InputSchema, *, is_class: bool) -> Any:
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
