"""A fitted model in every server's format: plain with joblib, by MLflow, and published and signed for the gateway."""

import hashlib
import importlib.metadata
from datetime import UTC, datetime
from typing import Any

from benchmarks.serving.broken import NARROW_CARRIERS
from benchmarks.serving.world import FIRST_DAY, KEY, LAST_DAY, NARROW, Row, World, frame_of, world_key
from releases.manifest import Column, Golden, InputSchema, Manifest, ReferenceProfile
from releases.store import ModelStore

GOLDEN_ROWS = 16


def save(world: World, name: str, estimator: Any) -> None:
    """Save the model as `name`, and note its digest in the world."""
    import joblib  # type: ignore[import-untyped]
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from skops import io

    from releases.flavours.sklearn_skops import TRUSTED_TYPES

    joblib.dump(estimator, world.joblib(name))
    few = frame_of(world, _golden_rows(world, name))
    answers = estimator.predict_proba(few)
    mlflow.sklearn.save_model(
        estimator,
        str(world.mlflow(name)),
        signature=infer_signature(few, answers),
        pip_requirements=[f"scikit-learn=={importlib.metadata.version('scikit-learn')}"],
        serialization_format="skops",
        skops_trusted_types=sorted(TRUSTED_TYPES),
        pyfunc_predict_fn="predict_proba",
    )
    manifest = Manifest(
        pipeline="flights",
        version=world.versions[name],
        created_at=datetime(2013, 3, 1, tzinfo=UTC),
        files={},
        trained_from=FIRST_DAY.isoformat(),
        trained_until=LAST_DAY.isoformat(),
        code_revision="benchmark",
        requirements_sha256=hashlib.sha256(world_key().encode()).hexdigest(),
        input_schema=InputSchema(
            key=KEY,
            columns=tuple(
                Column(name=column, type="string" if column in world.text_columns else "double")
                for column in world.columns
            ),
        ),
        reference=ReferenceProfile(rows=len(few)),
        golden=Golden(
            columns=tuple(world.columns),
            rows=tuple(tuple(row) for row in _golden_rows(world, name)),
            outputs=tuple(float(answer) for answer in answers[:, 1]),
        ),
        baseline=world.baseline,
        training_seconds=0.0,
    )
    published = ModelStore(world.folder).publish({"model.skops": io.dumps(estimator)}, manifest, world.signing_keys)
    world.digests[name] = published.digest


def _golden_rows(world: World, name: str) -> list[Row]:
    """The first rows asked; for the narrow model only those of the carriers that it knows."""
    carrier = world.columns.index("carrier")
    known = [row for row in world.rows if name != NARROW or row[carrier] in NARROW_CARRIERS]
    return known[:GOLDEN_ROWS]
