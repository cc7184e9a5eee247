"""LightGBM's own text files."""

from typing import Any

from healing.errors import ModelCorrupt
from releases.flavours.registry import MODEL_FILES, ModelSource
from releases.flavours.scores import ScoredModel


def read(source: ModelSource) -> ScoredModel:
    """The booster; a column of strings is a categorical feature, as in the frame that it was trained on."""
    import lightgbm

    try:
        text = source.content(MODEL_FILES["lightgbm"]).decode()
        booster = lightgbm.Booster(model_str=text)
    except (UnicodeDecodeError, lightgbm.basic.LightGBMError) as exc:
        raise ModelCorrupt(f"{source.origin} cannot be read as a text file of LightGBM: {exc}") from exc

    def score(rows: Any) -> Any:
        strings = rows.select_dtypes("object").columns
        return booster.predict(rows.astype(dict.fromkeys(strings, "category")), num_threads=1, validate_features=True)

    return ScoredModel(score, source.known_output())
