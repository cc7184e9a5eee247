"""Publishing: a registered model becomes a signed, content-addressed one that a gateway can verify and serve."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from healing.errors import TrainingRefused
from healing.release import ModelRef
from releases.loader import LoadedModel, read_estimator
from releases.manifest import Golden, InputSchema, Manifest, Scalar
from releases.signing import Keys
from releases.store import ModelStore
from tasks.lake.columns import BATCH_DAY
from tasks.runtime import crash_points as points
from tasks.training.answers import answers_of, predict
from tasks.training.mlflow_registry import MODEL_FILE, RegisteredModel
from tasks.training.profile import reference_profile
from tasks.training.training import TrainingPlan, TrainingRows, as_inputs, base_rate

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

GOLDEN_ROWS = 16  # enough to meet every branch that matters, few enough to check at every load
PROFILED_PREDICTIONS = 500  # quantiles of so many are good to about 0.02
_SEED = 20130101


@dataclass(frozen=True, slots=True)
class Offer:
    """A registered model with all that its manifest says of it, among that how far it is from the champion."""

    plan: TrainingPlan
    rows: TrainingRows
    registered: RegisteredModel
    content: bytes  # skops
    champion: LoadedModel | None = None


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
        reference=reference_profile(plan, rows, offer.registered, estimator, answers, offer.champion),
        golden=_golden(estimator, schema, inputs, answers),
        baseline=base_rate(rows),
        training_seconds=offer.registered.training_seconds,
    )
    model = ModelStore(release_root).publish({MODEL_FILE: offer.content}, manifest, keys, points.reached)
    log.info("model_published", pipeline=plan.pipeline, version=model.version, digest=model.digest)
    return model


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
