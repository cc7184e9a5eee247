"""The estimators of the streams: small gradient-boosted trees on numbers."""

from collections.abc import Mapping

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

_SETTINGS = {"max_iter": 25, "max_leaf_nodes": 7, "early_stopping": False, "random_state": 2013}


def build_features(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return tables["rows"]


def build_classifier() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(**_SETTINGS)


def build_regressor() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(**_SETTINGS)
