"""Real models, small enough to train in a test: published, signed and released the way that the system does it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from healing.fence import Fence, with_fence
from healing.release import Challenger, Mode, ModelRef, Reason, Release
from healing.trial_rules import DEFAULT_RULES, TrialRules
from releases.log import ReleaseLog, trial_of
from releases.manifest import Column, Golden, InputSchema, Manifest, ReferenceProfile
from releases.signing import Keys
from releases.store import ModelStore

PIPELINE = "tiny"
NOW = datetime(2013, 3, 1, 12, tzinfo=UTC)
SCHEMA = InputSchema(
    key="id",
    columns=(
        Column(name="carrier", type="string"),
        Column(name="distance", type="double"),
        Column(name="hour", type="long", nullable=False),
    ),
)
CARRIERS = ("AA", "B6", "DL", "UA")
GOLDEN_ROWS = (("AA", 1.0, 0), ("UA", 2.0, 12))
BASELINE = 0.25


def tiny_rows(count: int, seed: int = 0) -> list[list[Any]]:
    """Request rows in the schema's column order; distance in (0, 3], hour in 0…23."""
    generator = np.random.default_rng(seed)
    carriers = generator.choice(CARRIERS, count)
    distances = generator.uniform(0.1, 3, count)
    hours = generator.integers(0, 24, count)
    return [[str(c), round(float(d), 3), int(h)] for c, d, h in zip(carriers, distances, hours, strict=True)]


def frame(rows: Any) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(SCHEMA.names)).astype({"distance": "float64", "hour": "float64"})


def tiny_estimator(seed: int = 0) -> Any:
    """Answers any row."""
    return _pipeline("ignore", seed)


def raising_estimator(seed: int = 0) -> Any:
    """Raises on a carrier that it has not seen (`"ZZ"`), and answers the others."""
    return _pipeline("error", seed)


def nan_estimator(seed: int = 0) -> Any:
    """Answers NaN where distance is 0, and 1.0 elsewhere, its golden rows among them."""
    model = _pipeline("ignore", seed)
    model[-1].coef_[:] = 0
    model[-1].coef_[0, -2] = np.inf
    return model


def _pipeline(unknown: str, seed: int) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = make_column_transformer((OneHotEncoder(handle_unknown=unknown), ["carrier"]), remainder="passthrough")
    rows = frame(tiny_rows(200, seed))
    late = (rows["distance"] + rows["hour"] / 24 + np.random.default_rng(seed).normal(0, 0.5, len(rows))) > 2
    return make_pipeline(columns, LogisticRegression(C=1 + seed)).fit(rows, late.astype(int))


def publish_tiny_model(
    root: Path,
    keys: Keys,
    *,
    version: str = "0.1.0",
    seed: int = 0,
    estimator: Any = None,
    reference: ReferenceProfile | None = None,
    mlflow_model_version: str | None = None,
    golden_rows: Sequence[Sequence[Any]] = GOLDEN_ROWS,
) -> ModelRef:
    """Train a tiny model (or take `estimator`), publish it under `root`, and return its reference."""
    from skops import io

    model = tiny_estimator(seed) if estimator is None else estimator
    manifest = Manifest(
        pipeline=PIPELINE,
        version=version,
        created_at=NOW,
        files={},
        trained_from="2013-01-01",
        trained_until="2013-03-01",
        code_revision="test",
        requirements_sha256="0" * 64,
        input_schema=SCHEMA,
        reference=reference or ReferenceProfile(rows=200),
        golden=Golden(
            columns=SCHEMA.names,
            rows=tuple(tuple(row) for row in golden_rows),
            outputs=tuple(float(p) for p in model.predict_proba(frame(golden_rows))[:, 1]),
        ),
        baseline=BASELINE,
        training_seconds=0.1,
        mlflow_model_version=mlflow_model_version,
    )
    return ModelStore(root).publish({"model.skops": io.dumps(model)}, manifest, keys)


def bootstrap(root: Path, champion: ModelRef, *, fallbacks: tuple[ModelRef, ...] = ()) -> Release:
    """Write the first release of the log under `root`."""
    release = Release(
        generation=1,
        created_at=NOW,
        pipeline=PIPELINE,
        author="test",
        reason=Reason.BOOTSTRAP,
        champion=champion,
        baseline=BASELINE,
        fallbacks=fallbacks,
    )
    ReleaseLog(root).append(release)
    return release


def start_canary(
    root: Path, challenger: ModelRef, weight: float, mode: Mode = Mode.CANARY, rules: TrialRules = DEFAULT_RULES
) -> Release:
    """Append a release that gives `challenger` its share of traffic, or of copies of it when it is a shadow."""
    log = ReleaseLog(root)
    current = log.current()
    assert current is not None, "bootstrap first"
    trial = trial_of(current, Challenger(challenger, mode, weight, rules), author="test", now=NOW)
    log.append(trial)
    return trial


def end_trial(root: Path, *, reason: Reason, champion: ModelRef, fallbacks: tuple[ModelRef, ...] = ()) -> Release:
    """Append a release without a challenger, e.g. a rollback to `champion`, which fences the one that it leaves."""
    log = ReleaseLog(root)
    current = log.current()
    assert current is not None, "bootstrap first"
    left = Fence(current.champion.digest, current.champion.version, NOW, "test", "")
    following = replace(
        current,
        generation=current.generation + 1,
        reason=reason,
        fenced=with_fence(current.fenced, left) if reason is Reason.ROLLBACK else current.fenced,
        champion=champion,
        fallbacks=fallbacks,
        challenger=None,
    )
    log.append(following)
    return following


def corrupt(root: Path, model: ModelRef) -> bytes:
    """Flip bytes in the middle of a published model and return what was there."""
    file = ModelStore(root).path(model.digest) / "model.skops"
    original = file.read_bytes()
    middle = len(original) // 2
    flipped = bytes(byte ^ 0xFF for byte in original[middle : middle + 16])
    file.write_bytes(original[:middle] + flipped + original[middle + 16 :])
    return original
