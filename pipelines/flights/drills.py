"""A bad candidate, for the demo and the drills: it passes everything that looks only at what it learned from."""

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build_estimator() -> Pipeline:
    """An unfitted classifier that takes the humidity reading for a category and refuses one that it has not met.

    Relative humidity has about a thousand distinct readings in nine weeks, and a third or more of the rows of a later
    week have another: it answers its own golden rows, and raises on live ones.
    """
    strict = OneHotEncoder(handle_unknown="error")
    columns = ColumnTransformer([("categories", strict, ["carrier", "origin", "humid"])], remainder="drop")
    return Pipeline([("columns", columns), ("regression", LogisticRegression(max_iter=200))])
