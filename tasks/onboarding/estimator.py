"""The estimator and the `model.py` that builds it: boosted trees if there are enough rows, else a linear model."""

from dataclasses import dataclass

from tasks.config.pipeline import Output

LINEAR_FILE = "linear_model.py"  # beside trees: what `bootstrap` releases where the trees are worse
LINEAR_REFERENCE = ".linear_model:build_estimator"
TREES_ROWS_MIN = 1_000  # with fewer rows, boosted trees overfit
_ROUNDS = 150  # of boosting
_TREES_MAX = 750  # a round has one tree per class: more trees than that cost minutes to fit and milliseconds per answer

_TREES = '''\
"""The model: gradient-boosted trees on numbers, and on categories encoded as numbers.

It uses classes of scikit-learn only, so that skops opens it without further trusted types.
"""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import {family}
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from .features import CATEGORIES, INPUT_NUMBERS


def build_estimator() -> Pipeline:
    """Return the unfitted estimator. It treats an unknown category as missing."""
    categories = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=float("nan"), encoded_missing_value=-1
    )
    columns = ColumnTransformer(
        [("categories", categories, CATEGORIES), ("numbers", "passthrough", INPUT_NUMBERS)], remainder="drop"
    )
    trees = {family}(
        learning_rate=0.06,
        max_iter={rounds},
        max_leaf_nodes=15,
        min_samples_leaf={leaf_rows_min},
        l2_regularization=1.0,
        random_state=2013,
    )
    return Pipeline([("columns", columns), ("trees", trees)])
'''

_LINEAR = '''\
"""The model: linear in the scaled numbers (the median if one is missing) and in one column per category.

It uses classes of scikit-learn only, so that skops opens it without further trusted types.
"""

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import {family}
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .features import CATEGORIES, INPUT_NUMBERS


def build_estimator() -> Pipeline:
    """Return the unfitted estimator. For an unknown category, all columns of that feature are zero."""
    named = SimpleImputer(missing_values=None, strategy="constant", fill_value="missing")
    categories = Pipeline([("known", named), ("columns", OneHotEncoder(handle_unknown="ignore"))])
    known = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers = Pipeline([("known", known), ("scaled", StandardScaler())])
    columns = ColumnTransformer(
        [("categories", categories, CATEGORIES), ("numbers", numbers, INPUT_NUMBERS)], remainder="drop"
    )
    return Pipeline([("columns", columns), ("linear", {family}({options}))])
'''


@dataclass(frozen=True, slots=True)
class EstimatorGuess:
    """The class of the estimator in scikit-learn, and the reason for it."""

    family: str
    leaf_rows_min: int
    why: str
    rounds: int = _ROUNDS

    @property
    def is_trees(self) -> bool:
        return self.family.startswith("HistGradientBoosting")


def guess_estimator(output: Output, rows: int, classes: int = 0) -> EstimatorGuess:
    """The estimator for `rows` training rows; always a class of scikit-learn, which skops opens by default.

    `classes` is the number of classes where each gets a probability, else 0.
    """
    if rows >= TREES_ROWS_MIN:
        family = "HistGradientBoostingRegressor" if output == "value" else "HistGradientBoostingClassifier"
        why = f"trees, because there are {rows} training rows; they accept missing values and unknown categories"
        return EstimatorGuess(family, max(20, min(100, rows // 100)), why, min(_ROUNDS, _TREES_MAX // max(1, classes)))
    return EstimatorGuess(_linear_family(output), 20, f"a linear model, because there are only {rows} training rows")


def model_modules(guess: EstimatorGuess, output: Output) -> dict[str, str]:
    """Source of `model.py`, and of `linear_model.py` beside trees."""
    linear = _linear_module(_linear_family(output))
    if not guess.is_trees:
        return {"model.py": linear}
    trees = _TREES.format(family=guess.family, leaf_rows_min=guess.leaf_rows_min, rounds=guess.rounds)
    return {"model.py": trees, LINEAR_FILE: linear}


def _linear_family(output: Output) -> str:
    return "Ridge" if output == "value" else "LogisticRegression"


def _linear_module(family: str) -> str:
    return _LINEAR.format(family=family, options="max_iter=1000" if family == "LogisticRegression" else "")
