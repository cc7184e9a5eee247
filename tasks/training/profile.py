"""The reference profile in a manifest: distributions of the training inputs and of the model's predictions."""

from typing import TYPE_CHECKING, Any

from releases.answers import with_values
from releases.loader import LoadedModel
from releases.manifest import ReferenceProfile
from releases.output import Output
from releases.profile import DECILES, QUANTILES, category_shares, numeric_profile, quantiles_of
from tasks.training.dataset import TrainingDataset
from tasks.training.importance import permutation_importance
from tasks.training.inference import as_inputs, predict_or_nan
from tasks.training.mlflow_registry import RegisteredModel
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A shadow whose distance to the champion exceeds this quantile much more often is not the model that was compared.
DISAGREEMENT_QUANTILE = 0.9


def reference_profile(
    plan: TrainingPlan,
    dataset: TrainingDataset,
    registered: RegisteredModel,
    estimator: Any,
    predictions: "NDArray[np.float64]",
    champion: LoadedModel | None,
) -> ReferenceProfile:
    """The profile. `predictions` are the model's for a sample of the training rows, NaN where it raises."""

    inputs = dataset.train_inputs
    strings = [column.name for column in dataset.schema.columns if column.type == "string"]
    held_out = _values(predict_or_nan(estimator, dataset.held_out_inputs), plan.model_output)
    return ReferenceProfile(
        rows=len(inputs),
        numeric={name: numeric_profile(inputs[name]) for name in inputs.columns if name not in strings},
        categorical={name: category_shares(inputs[name]) for name in strings},
        prediction_quantiles=quantiles_of(_values(predictions, plan.model_output), QUANTILES),
        metrics=dict(registered.metrics),
        answer_deciles=quantiles_of(held_out, DECILES),
        disagreement=None if champion is None else _disagreement(held_out, dataset, champion),
        importance=permutation_importance(plan, dataset, estimator),
    )


def _values(predictions: "NDArray[np.float64]", output: Output | None) -> "NDArray[np.float64]":
    """The value of each row, which the gateway's guards compare: of several classes the most probable one."""
    return predictions if output is None or predictions.ndim == 1 else with_values(predictions, output)[:, 0]


def _disagreement(held_out: "NDArray[np.float64]", dataset: TrainingDataset, champion: LoadedModel) -> float | None:
    """Distance to the champion's prediction that 90 % of the held-out rows do not exceed; None without such a row."""
    import numpy as np

    inputs = as_inputs(dataset.held_out, champion.manifest.input_schema)
    answers = _values(predict_or_nan(champion.estimator, inputs), champion.manifest.output)
    distances = np.abs(held_out - answers)
    known = distances[np.isfinite(distances)]
    return float(np.quantile(known, DISAGREEMENT_QUANTILE)) if known.size else None
