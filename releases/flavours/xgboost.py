"""XGBoost's own files, in UBJSON or JSON."""

from typing import Any

from healing.errors import ModelCorrupt
from releases.flavours.registry import MODEL_FILES, ModelSource
from releases.flavours.scores import ScoredModel


def read(source: ModelSource) -> ScoredModel:
    """The booster; its features are numbers, in the order of the schema."""
    import numpy as np
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(source.content(MODEL_FILES["xgboost"])))
    except xgboost.core.XGBoostError as exc:
        raise ModelCorrupt(f"{source.origin} cannot be read as a file of XGBoost: {exc}") from exc

    def score(rows: Any) -> Any:
        names = booster.feature_names
        chosen = rows if names is None or list(rows.columns) == names else rows[names]
        return booster.inplace_predict(chosen.to_numpy(dtype=np.float64), validate_features=False)

    return ScoredModel(score, source.known_output())
