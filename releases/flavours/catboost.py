"""CatBoost's own binary files (cbm)."""

from typing import Any

from healing.errors import ModelCorrupt
from releases.flavours.registry import MODEL_FILES, ModelSource
from releases.flavours.scores import ScoredModel

_MISSING_CATEGORY = "nan"  # CatBoost has no missing category, and its own reader of frames spells it like this


def read(source: ModelSource) -> ScoredModel:
    """The model; its categorical features are the columns of strings that it was trained on."""
    import catboost

    model, output = catboost.CatBoost(), source.known_output()
    try:
        model.load_model(blob=source.content(MODEL_FILES["catboost"]), format="cbm")
    except catboost.CatBoostError as exc:
        raise ModelCorrupt(f"{source.origin} cannot be read as a file of CatBoost: {exc}") from exc
    kind = "RawFormulaVal" if output.kind in ("value", "values") else "Probability"

    def score(rows: Any) -> Any:
        strings = rows.select_dtypes("object").columns
        filled = rows.assign(**{name: rows[name].fillna(_MISSING_CATEGORY) for name in strings})
        return model.predict(filled, prediction_type=kind, thread_count=1)

    return ScoredModel(score, output)
