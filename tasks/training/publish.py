"""Publishing: a registered model becomes a signed, content-addressed model that a gateway verifies and serves."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import structlog

from healing.release import ModelRef
from releases.answers import with_values
from releases.flavours.sklearn_skops import read_estimator
from releases.loader import LoadedModel
from releases.manifest import ComparedFit, Manifest
from releases.release_root import ReleaseRoot
from releases.signing import Keys
from releases.store import ModelStore
from tasks.lake.columns import BATCH_DAY
from tasks.runtime import crash_points
from tasks.training.dataset import TrainingDataset, base_rate, class_shares
from tasks.training.golden import golden_rows
from tasks.training.held_out_answers import ANSWERS_FILE, held_out_answers
from tasks.training.inference import as_inputs, predict_or_nan
from tasks.training.mlflow_registry import MODEL_FILE, RegisteredModel
from tasks.training.plan import TrainingPlan
from tasks.training.profile import reference_profile

log = structlog.get_logger(__name__)

PROFILED_ROWS = 500  # quantiles of so many predictions are accurate to about 0.02
_SEED = 20130101


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """The registered fit that was compared, where a refit of its recipe is published."""

    registered: RegisteredModel
    estimator: Any
    trained_until: date


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """A registered model with everything that its manifest contains. `content` are its skops bytes.

    For a refit, `compared` is the fit that says what to expect of it on rows that it has not learned.
    """

    plan: TrainingPlan
    dataset: TrainingDataset
    registered: RegisteredModel
    content: bytes
    champion: LoadedModel | None = None
    compared: ComparedModel | None = None


def publish(request: PublishRequest, release_root: ReleaseRoot, keys: Keys) -> ModelRef:
    """Store and sign the model. Publishing an equal request again changes nothing.

    The bytes are opened first, as a gateway does: ModelCorrupt when they need a type that is not on the allow-list,
    TrainingRefused when the model predicts no row.
    """
    estimator = read_estimator(request.content, origin=f"registered model {request.registered.model_version}")
    manifest = _manifest(request, estimator)
    files = {MODEL_FILE: request.content}
    if request.compared is not None:
        files[ANSWERS_FILE] = held_out_answers(request.plan, request.dataset, request.compared.estimator)
    model = ModelStore(release_root).publish(files, manifest, keys, crash_points.reached)
    log.info("model_published", pipeline=request.plan.pipeline, version=model.version, digest=model.digest)
    return model


def _manifest(request: PublishRequest, estimator: Any) -> Manifest:
    plan, dataset, registered = request.plan, request.dataset, request.registered
    sample = dataset.train.sample(min(PROFILED_ROWS, len(dataset.train)), random_state=_SEED)
    inputs = as_inputs(sample, dataset.schema)
    predictions = predict_or_nan(estimator, inputs)
    compared = request.compared
    expected = estimator if compared is None else compared.estimator
    return Manifest(
        pipeline=plan.pipeline,
        version=registered.version,
        created_at=registered.created_at,
        files={},
        model_file=MODEL_FILE,
        mlflow_run_id=registered.run_id,
        mlflow_model_version=registered.model_version,
        lake_version=plan.features_version,
        lake_version_labels=plan.labels_version,
        trained_from=dataset.train[BATCH_DAY].min().isoformat(),
        trained_until=plan.train_until.isoformat(),
        code_revision=registered.code_revision,
        requirements_sha256=plan.requirements_sha256,
        input_schema=dataset.schema,
        reference=reference_profile(plan, dataset, registered, expected, predictions, request.champion),
        golden=golden_rows(estimator, plan.model_output, dataset.schema, inputs, predictions),
        **baseline_of(plan, dataset),
        output=plan.model_output,
        training_seconds=registered.training_seconds,
        compared=None if compared is None else _compared_fit(compared),
    )


def baseline_of(plan: TrainingPlan, dataset: TrainingDataset) -> dict[str, Any]:
    """The answer when no model answers: the mean label, or the shares of several classes and the most frequent one."""
    output = plan.model_output
    if output is None:
        return {"baseline": base_rate(dataset)}
    answer = with_values(class_shares(plan, dataset)[None, :], output)[0]
    return {"baseline": float(answer[0]), "baseline_outputs": tuple(answer[1:].tolist())}


def _compared_fit(compared: ComparedModel) -> ComparedFit:
    return ComparedFit(
        trained_until=compared.trained_until.isoformat(),
        mlflow_run_id=compared.registered.run_id,
        mlflow_model_version=compared.registered.model_version,
        model_sha256=compared.registered.model_sha256,
        answers_file=ANSWERS_FILE,
    )
