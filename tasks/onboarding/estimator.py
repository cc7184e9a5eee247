"""Which estimator: trees where there are rows enough to grow them, else a linear model."""

from dataclasses import dataclass

from tasks.config.pipeline import Output

ROWS_FOR_TREES = 1_000  # below, boosted trees remember rows rather than learn from them


@dataclass(frozen=True, slots=True)
class EstimatorGuess:
    """The estimator's class in scikit-learn, and why it."""

    family: str
    output: Output
    leaf_rows_min: int
    why: str

    @property
    def is_trees(self) -> bool:
        return self.family.startswith("HistGradientBoosting")


def guess_estimator(output: Output, rows: int) -> EstimatorGuess:
    """For `rows` rows to learn from. All classes are scikit-learn's own, which skops opens without trusting more."""
    if rows >= ROWS_FOR_TREES:
        family = "HistGradientBoostingClassifier" if output == "probability" else "HistGradientBoostingRegressor"
        why = f"trees, for {rows} rows to learn from; missing values and unseen categories are no trouble to them"
        return EstimatorGuess(family, output, max(20, min(100, rows // 100)), why)
    family = "LogisticRegression" if output == "probability" else "Ridge"
    return EstimatorGuess(family, output, 20, f"linear, for only {rows} rows to learn from")
