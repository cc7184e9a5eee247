"""Publishing: a registered model becomes a signed, content-addressed one that a gateway can verify and serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from healing.errors import TrainingRefused
from healing.release import ModelRef
from releases.loader import read_estimator
from releases.manifest import Golden, InputSchema, Manifest, NumericProfile, ReferenceProfile, Scalar
from releases.signing import Keys
from releases.store import ModelStore
from tasks.checks.contract import BATCH_DAY
from tasks.monitoring.labels import LABEL
from tasks.training.registry import MODEL_FILE, RegisteredModel
from tasks.training.training import TrainingPlan, TrainingRows, as_inputs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

GOLDEN_ROWS = 16  # enough to meet every branch that matters, few enough to check at every load
PROFILED_PREDICTIONS = 500  # quantiles of so many are good to about 0.02
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_SEED = 20130101


@dataclass(frozen=True, slots=True)
class Offer:
    """A registered model with all that its manifest says of it."""

    plan: TrainingPlan
    rows: TrainingRows
    registered: RegisteredModel
    content: bytes  # skops


def publish(offer: Offer, release_root: Path, keys: Keys) -> ModelRef:
    """Store and sign the model; twice the same offer is once. The bytes are opened first, as a gateway will.

    ModelCorrupt when they need a type that is not on the allow-list, TrainingRefused when they answer no row.
    """
    estimator = read_estimator(offer.content, origin=f"registered model {offer.registered.model_version}")
    rows, plan, schema = offer.rows, offer.plan, offer.rows.schema
    sample = rows.learned.sample(min(PROFILED_PREDICTIONS, len(rows.learned)), random_state=_SEED)
    inputs = as_inputs(sample, schema)
    answers = answers_of(estimator, inputs)
    manifest = Manifest(
        pipeline=plan.pipeline,
        version=offer.registered.version,
        created_at=offer.registered.created_at,
        files={},
        model_file=MODEL_FILE,
        mlflow_run_id=offer.registered.run_id,
        mlflow_model_version=offer.registered.model_version,
        lake_version=plan.features_version,
        lake_version_labels=plan.labels_version,
        trained_from=rows.learned[BATCH_DAY].min().isoformat(),
        trained_until=plan.train_until.isoformat(),
        code_revision=offer.registered.code_revision,
        requirements_sha256=plan.requirements_sha256,
        input_schema=schema,
        reference=_reference_profile(rows, answers, offer.registered.metrics),
        golden=_golden(estimator, schema, inputs, answers),
        baseline=base_rate(rows),
        training_seconds=offer.registered.training_seconds,
    )
    model = ModelStore(release_root).publish({MODEL_FILE: offer.content}, manifest, keys)
    log.info("model_published", pipeline=plan.pipeline, version=model.version, digest=model.digest)
    return model


def predict(estimator: Any, inputs: "pd.DataFrame") -> "NDArray[np.float64]":
    """Probability of the positive class, or the value of an estimator that has no classes; shape (rows,)."""
    import numpy as np

    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(inputs), dtype=np.float64)
    return np.asarray(estimator.predict_proba(inputs)[:, 1], dtype=np.float64)


def base_rate(rows: TrainingRows) -> float:
    """Mean label of the rows learned from, for a class its share: the answer that needs no model."""
    return float(rows.learned[LABEL].mean())


def answers_of(estimator: Any, inputs: "pd.DataFrame") -> "NDArray[np.float64]":
    """Predictions, with NaN for a row on which the model raises: one such row must not hide the others."""
    import numpy as np

    try:
        return predict(estimator, inputs)
    except ValueError as exc:
        log.warning("model_raises_on_rows", cause=str(exc))
    answers = np.full(len(inputs), np.nan)
    for row in range(len(inputs)):
        try:
            answers[row] = predict(estimator, inputs.iloc[[row]])[0]
        except ValueError:
            continue  # NaN says so, and the warning above named the first cause
    return answers


def _golden(estimator: Any, schema: InputSchema, inputs: "pd.DataFrame", answers: "NDArray[np.float64]") -> Golden:
    """Rows that the model answers, with the answers it gives to exactly them."""
    import numpy as np

    chosen = np.flatnonzero(np.isfinite(answers))[:GOLDEN_ROWS]
    if not chosen.size:
        raise TrainingRefused(f"expected a model that answers, found none of {len(inputs)} of its own rows answered")
    whole = [column.type == "long" for column in schema.columns]
    rows = tuple(_json_row(row, whole) for row in inputs.iloc[chosen].itertuples(index=False, name=None))
    outputs = predict(estimator, inputs.iloc[chosen])
    return Golden(columns=schema.names, rows=rows, outputs=tuple(float(output) for output in outputs))


def _json_row(row: Sequence[Any], whole: Sequence[bool]) -> tuple[Scalar, ...]:
    """NaN is null in JSON; a whole number is one again after its stay in a float column, or a gateway refuses it."""
    return tuple(
        None if value is None or value != value else int(value) if is_whole else value  # noqa: PLR0124 - NaN
        for value, is_whole in zip(row, whole, strict=True)
    )


def _reference_profile(
    rows: TrainingRows, answers: "NDArray[np.float64]", metrics: Mapping[str, float]
) -> ReferenceProfile:
    import numpy as np

    inputs = as_inputs(rows.learned, rows.schema)
    strings = [column.name for column in rows.schema.columns if column.type == "string"]
    answered = answers[np.isfinite(answers)]
    return ReferenceProfile(
        rows=len(inputs),
        numeric={name: _numeric(inputs[name]) for name in inputs.columns if name not in strings},
        categorical={name: _shares(inputs[name]) for name in strings},
        prediction_quantiles=tuple(float(q) for q in np.quantile(answered, _QUANTILES)) if answered.size else (),
        metrics=dict(metrics),
    )


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
