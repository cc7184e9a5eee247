"""Models that pass every check at loading and fail on some rows: made of plain scikit-learn, so that any server loads
them."""

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

NARROW_CARRIERS = ("UA", "DL")
_FAR_OUTSIDE = 2**32 - 1  # 240 GB past the tree's nodes: no machine has a page there


def crashing_estimator(sound: Any, feature: int, threshold: float) -> Any:
    """`sound` with a first tree that follows a pointer out of memory where `feature` is above `threshold`.

    Elsewhere it answers exactly as `sound` does. The process that meets such a row dies of SIGSEGV, as a bug in any
    compiled library would have it.
    """
    import numpy as np
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    crashing = copy.deepcopy(sound)
    nodes = np.zeros(2, dtype=PREDICTOR_RECORD_DTYPE)
    nodes["is_leaf"] = (0, 1)
    nodes["feature_idx"] = feature
    nodes["num_threshold"] = threshold
    nodes["missing_go_to_left"] = 1
    nodes["left"], nodes["right"] = 1, _FAR_OUTSIDE
    none = np.zeros((0, 8), dtype=np.uint32)
    crashing[-1]._predictors.insert(0, [TreePredictor(nodes, none, none)])
    return crashing


def narrow_estimator(rows: "pd.DataFrame", late: "pd.Series") -> Any:
    """A model that raises on every carrier but two."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    known = rows["carrier"].isin(NARROW_CARRIERS)
    columns = make_column_transformer((OneHotEncoder(handle_unknown="error"), ["carrier"]))
    return make_pipeline(columns, LogisticRegression()).fit(rows[known], late[known])
