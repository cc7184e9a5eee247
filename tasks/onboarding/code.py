"""The Python files of a draft: features that pass columns through, and an unfitted estimator."""

from tasks.onboarding.configuration import ROWS
from tasks.onboarding.draft import Draft

_FEATURES = '''\
"""What the model gets of each row: its columns as they are, truth values as 0 and 1, dates as days before the event."""

from collections.abc import Mapping

import pandas as pd

KEY, TIME = "{key}", "{time}"
NUMBERS{numbers}
CATEGORIES{categories}
DATES{dates}
INPUT_NUMBERS = [*NUMBERS, *(f"{{name}}_days_before" for name in DATES)]


def build_features(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a row of `{rows}`: key, `asked_at`, `event_day`, then the model's inputs; NaN or None where unknown."""
    rows = tables["{rows}"]
    when = rows[TIME].dt.as_unit("us")
    named = {{KEY: rows[KEY], "asked_at": when, "event_day": rows["event_day"]}}
    categories = {{name: rows[name].astype(object) for name in CATEGORIES}}
    numbers = {{name: rows[name].astype("float64") for name in NUMBERS}}
    ages = {{f"{{name}}_days_before": (when - rows[name]).dt.total_seconds() / 86_400 for name in DATES}}
    return pd.DataFrame({{**named, **categories, **numbers, **ages}})
'''

_TREES = '''\
"""The model: gradient-boosted trees, categories by number, missing values as they are.

Only classes of scikit-learn, so that skops loads it without trusting anything else.
"""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import {family}
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from .features import CATEGORIES, INPUT_NUMBERS


def build_estimator() -> Pipeline:
    """Unfitted; a category it has not met counts as missing."""
    categories = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=float("nan"), encoded_missing_value=-1
    )
    columns = ColumnTransformer(
        [("categories", categories, CATEGORIES), ("numbers", "passthrough", INPUT_NUMBERS)], remainder="drop"
    )
    trees = {family}(
        learning_rate=0.06,
        max_iter=150,
        max_leaf_nodes=15,
        min_samples_leaf={leaf_rows_min},
        l2_regularization=1.0,
        random_state=2013,
    )
    return Pipeline([("columns", columns), ("trees", trees)])
'''

_LINEAR = '''\
"""The model: linear, on scaled numbers (the median where one is missing) and a column a category.

Only classes of scikit-learn, so that skops loads it without trusting anything else.
"""

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import {family}
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .features import CATEGORIES, INPUT_NUMBERS


def build_estimator() -> Pipeline:
    """Unfitted; a category it has not met counts as none of those that it has."""
    named = SimpleImputer(missing_values=None, strategy="constant", fill_value="missing")
    categories = Pipeline([("known", named), ("columns", OneHotEncoder(handle_unknown="ignore"))])
    known = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers = Pipeline([("known", known), ("scaled", StandardScaler())])
    columns = ColumnTransformer(
        [("categories", categories, CATEGORIES), ("numbers", numbers, INPUT_NUMBERS)], remainder="drop"
    )
    return Pipeline([("columns", columns), ("linear", {family}({options}))])
'''


def features_module(draft: Draft) -> str:
    """`features.py`."""
    types = {column.name: column.type for column in draft.inputs}
    return _FEATURES.format(
        key=draft.key,
        time=draft.time.name,
        rows=ROWS,
        numbers=_listed([name for name, type_ in types.items() if type_ in ("double", "long", "boolean")]),
        categories=_listed([name for name, type_ in types.items() if type_ == "string"]),
        dates=_listed([name for name, type_ in types.items() if type_ == "timestamp"]),
    )


def model_module(draft: Draft) -> str:
    """`model.py`."""
    guess = draft.estimator
    if guess.is_trees:
        return _TREES.format(family=guess.family, leaf_rows_min=guess.leaf_rows_min)
    options = "max_iter=1000" if guess.family == "LogisticRegression" else ""
    return _LINEAR.format(family=guess.family, options=options)


def package_module(draft: Draft) -> str:
    """`__init__.py`."""
    return f'"""Predicts {draft.label.name}; pipeline.yaml says from what."""\n'


def _listed(names: list[str]) -> str:
    """Assignment of a list, a name a line, with a type where there is none to see one by."""
    if not names:
        return ": list[str] = []"
    return " = [\n" + "".join(f'    "{name}",\n' for name in names) + "]"
