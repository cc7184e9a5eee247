"""The model: gradient-boosted trees on the features, with categories encoded as numbers.

It uses classes of scikit-learn only, so that skops opens it without further trusted types.
"""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from pipelines.flights.features import WEATHER

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = [
    "distance",
    "departure_minute",
    "weekday",
    "duration_minutes",
    *WEATHER,
    "origin_late_share_3h",
    "origin_late_share_24h",
    "carrier_late_share_24h",
]


def build_estimator() -> Pipeline:
    """Return the unfitted classifier. It drops other columns, and treats an unknown category as missing."""
    categories = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=float("nan"), encoded_missing_value=-1
    )
    columns = ColumnTransformer(
        [("categories", categories, CATEGORIES), ("numbers", "passthrough", NUMBERS)], remainder="drop"
    )
    trees = HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=150,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        l2_regularization=1.0,
        random_state=2013,
    )
    return Pipeline([("columns", columns), ("trees", trees)])
