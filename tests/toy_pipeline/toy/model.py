"""What the owner of the toy pipeline writes: features, an estimator, and estimators that are no good."""

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
    """Answers everybody with the base rate."""
    return _pipeline(DummyClassifier(strategy="prior"), "ignore")


def build_restless_estimator() -> Pipeline:
    """A forest that nobody gave a seed, so every fit draws other trees."""
    return _pipeline(RandomForestClassifier(n_estimators=5, max_depth=3), "ignore")


def build_strict_estimator() -> Pipeline:
    """Raises on a value of x that it has not met, which is every live one."""
    columns = ColumnTransformer([("x", OneHotEncoder(handle_unknown="error"), ["x"])], remainder="drop")
    return Pipeline([("columns", columns), ("answers", LogisticRegression())])


def _pipeline(answers: object, unknown: str) -> Pipeline:
    kinds = OneHotEncoder(handle_unknown=unknown)
    columns = ColumnTransformer([("kinds", kinds, ["kind"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("answers", answers)])
