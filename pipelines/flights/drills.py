"""A bad candidate for the demo and the drills: it passes every check that uses only training rows."""

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build_estimator() -> Pipeline:
    """Return an unfitted classifier that encodes humidity as a category and raises on an unknown value.

    Relative humidity has about a thousand distinct readings in nine weeks, and at least a third of the rows of a later
    week have a reading outside them. So the model predicts its own golden rows and raises on live rows.
    """
    strict = OneHotEncoder(handle_unknown="error")
    columns = ColumnTransformer([("categories", strict, ["carrier", "origin", "humid"])], remainder="drop")
    return Pipeline([("columns", columns), ("regression", LogisticRegression(max_iter=200))])
