"""The reference profile in a manifest: what a model learned from, and what it should answer later."""

from typing import TYPE_CHECKING, Any

from releases.loader import LoadedModel
from releases.manifest import NumericProfile, ReferenceProfile
from tasks.training.answers import answers_of
from tasks.training.importance import importance_of
from tasks.training.mlflow_registry import RegisteredModel
from tasks.training.training import TrainingPlan, TrainingRows, as_inputs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DISAGREEMENT_QUANTILE = 0.9  # of the distances to the champion; a shadow that exceeds it much oftener is another model
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def reference_profile(
    plan: TrainingPlan,
    rows: TrainingRows,
    registered: RegisteredModel,
    estimator: Any,
    answers: "NDArray[np.float64]",
    champion: LoadedModel | None,
) -> ReferenceProfile:
    """The profile; `answers` are the model's to rows that it learned from, NaN where it gave none."""
    import numpy as np

    inputs = as_inputs(rows.learned, rows.schema)
    strings = [column.name for column in rows.schema.columns if column.type == "string"]
    later = answers_of(estimator, as_inputs(rows.held_out, rows.schema))
    return ReferenceProfile(
        rows=len(inputs),
        numeric={name: _numeric(inputs[name]) for name in inputs.columns if name not in strings},
        categorical={name: _shares(inputs[name]) for name in strings},
        prediction_quantiles=_quantiles(answers, _QUANTILES),
        metrics=dict(registered.metrics),
        answer_deciles=_quantiles(later, tuple(np.linspace(0, 1, 11))),
        disagreement=None if champion is None else _disagreement(later, rows, champion),
        importance=importance_of(plan, rows, estimator),
    )


def _quantiles(answers: "NDArray[np.float64]", at: tuple[float, ...]) -> tuple[float, ...]:
    import numpy as np

    answered = answers[np.isfinite(answers)]
    return tuple(float(quantile) for quantile in np.quantile(answered, at)) if answered.size else ()


def _disagreement(later: "NDArray[np.float64]", rows: TrainingRows, champion: LoadedModel) -> float | None:
    """How far nine in ten held-out answers are from the champion's at most; None where they never both answer."""
    import numpy as np

    given = answers_of(champion.estimator, as_inputs(rows.held_out, champion.manifest.input_schema))
    apart = np.abs(later - given)
    known = apart[np.isfinite(apart)]
    return float(np.quantile(known, DISAGREEMENT_QUANTILE)) if known.size else None


def _numeric(column: "pd.Series") -> NumericProfile:
    known = column.dropna()
    if known.empty:
        return NumericProfile(median=None, mean=None, quantiles=(), null_share=1.0)
    return NumericProfile(
        median=float(known.median()),
        mean=float(known.mean()),
        quantiles=tuple(float(q) for q in known.quantile(list(_QUANTILES))),
        null_share=float(column.isna().mean()),
    )


def _shares(column: "pd.Series") -> dict[str, float]:
    return {str(category): float(share) for category, share in column.value_counts(normalize=True).items()}
