"""Features and estimator of the toy pipeline, and estimators with defects."""

from collections.abc import Mapping

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build_features(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return tables["rows"].rename(columns={"at": "asked_at"})


def build_estimator() -> Pipeline:
    """Logistic regression on both numbers and the kind."""
    return _pipeline(LogisticRegression(), "ignore")


def build_blind_estimator() -> Pipeline:
    """Predicts the base rate for every row."""
    return _pipeline(DummyClassifier(strategy="prior"), "ignore")


def build_coarse_estimator() -> Pipeline:
    """Uses only the kind: better than the base rate, worse than what uses x too."""
    columns = ColumnTransformer([("kinds", OneHotEncoder(), ["kind"])], remainder="drop")
    return Pipeline([("columns", columns), ("answers", LogisticRegression())])


def build_restless_estimator() -> Pipeline:
    """A forest without a seed, so every fit gives other trees."""
    return _pipeline(RandomForestClassifier(n_estimators=5, max_depth=3), "ignore")


def build_strict_estimator() -> Pipeline:
    """Raises on a value of x that is not among its training rows, which is every live one."""
    columns = ColumnTransformer([("x", OneHotEncoder(handle_unknown="error"), ["x"])], remainder="drop")
    return Pipeline([("columns", columns), ("answers", LogisticRegression())])


def _pipeline(answers: object, unknown: str) -> Pipeline:
    kinds = OneHotEncoder(handle_unknown=unknown)
    columns = ColumnTransformer([("kinds", kinds, ["kind"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("answers", answers)])
