"""Training: which rows, pinned and in the order of time, and the model that they make.

A candidate is published exactly as it was compared: it never saw the held-out days, and it is not fitted again on them.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from healing.errors import ConfigError, StoreUnavailable, TrainingRefused
from healing.incident import Cause, Incident
from releases.manifest import Column, InputSchema
from tasks.checks.contract import BATCH_DAY
from tasks.config.pipeline import Output
from tasks.intake.features import ASKED_AT, FEATURES
from tasks.lake.lake import LakeTable
from tasks.monitoring.labels import KNOWN_AT, LABEL, LabelSource, join_labels, read_features

if TYPE_CHECKING:
    import pandas as pd

log = structlog.get_logger(__name__)

POSITIVES_MIN = 50  # of each class: below, a log-loss is mostly chance
VALUES_MIN = 3  # of a quantity: with fewer it is a class

# While one of these is open, the newest rows may be wrong, and a model would learn that.
BLOCKING_CAUSES = frozenset(
    {Cause.SCHEMA_BREAK, Cause.NULL_SPIKE, Cause.BAD_ROWS, Cause.VOLUME_ANOMALY, Cause.DUPLICATE_DATA}
)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that decides what the model will be. The same plan gives the same `key`, and the same model.

    Days are inclusive: the model learns from [train_from, train_until] and is compared on (train_until, until]. Labels
    count when they were known at `as_of`. The versions pin the lake's tables, the digests the estimator's source file
    and the installed libraries.
    """

    pipeline: str
    train_from: date
    train_until: date
    until: date
    as_of: datetime
    features_version: int
    labels_version: int
    estimator: str
    estimator_sha256: str
    rows_min: int
    requirements_sha256: str
    output: Output = "probability"

    @property
    def key(self) -> str:
        """SHA-256 (64 hex digits) over the plan; a repeated retrain finds its earlier work by it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Labelled rows to learn from, and the held-out ones after them on which the candidate meets others."""

    schema: InputSchema
    learned: "pd.DataFrame"
    held_out: "pd.DataFrame"


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model, the rows it was made with, and how long fitting took."""

    estimator: Any  # scikit-learn ships no types
    rows: TrainingRows
    seconds: float


def refuse_on_open_incidents(unfinished: Sequence[Incident], except_id: str | None = None) -> None:
    """Raise TrainingRefused while an incident says that the newest data may be wrong."""
    blocking = [i for i in unfinished if i.cause in BLOCKING_CAUSES and i.id != except_id]
    if blocking:
        named = ", ".join(f"{incident.cause} of {incident.subject} ({incident.id})" for incident in blocking)
        raise TrainingRefused(f"expected data that nobody doubts, found open incidents: {named}; heal them first")


def feature_days(lake_root: Path, key: str) -> tuple[date, date]:
    """The first and the last day that have features; StoreUnavailable when there is none yet."""
    days = LakeTable(lake_root, FEATURES, [key]).read(columns=[BATCH_DAY])[BATCH_DAY]
    if days.empty:
        raise StoreUnavailable(f"expected rows in table {FEATURES} of {lake_root}, found none; ingest a day first")
    return days.min(), days.max()


def pinned_versions(source: LabelSource) -> tuple[int, int]:
    """The versions of the features and of the label table that readers see now."""
    features = LakeTable(source.lake_root, FEATURES, [source.key]).version()
    labels = LakeTable(source.lake_root, source.table, source.table_key).version()
    if features is None or labels is None:
        missing = FEATURES if features is None else source.table
        raise StoreUnavailable(f"expected table {missing} in {source.lake_root}, found none; ingest a day first")
    return features, labels


def training_days(until: date, lookback_days: int, holdout_days: int) -> tuple[date, date]:
    """First and last day to learn from, when the `holdout_days` up to and including `until` are held out."""
    train_until = until - timedelta(days=holdout_days)
    return train_until - timedelta(days=lookback_days - 1), train_until


def train(plan: TrainingPlan, source: LabelSource, build_estimator: Callable[[], Any]) -> Trained:
    """Fit the pipeline's estimator on the plan's rows.

    TrainingRefused with too few labels, of either class or in the held-out days.
    """
    rows = read_training_rows(plan, source)
    started = time.perf_counter()
    inputs = as_inputs(rows.learned, rows.schema)
    estimator = build_estimator().fit(inputs, _targets(plan, rows.learned))
    seconds = time.perf_counter() - started
    log.info("model_fitted", pipeline=plan.pipeline, rows=len(inputs), seconds=round(seconds, 3), plan=plan.key[:12])
    return Trained(estimator=estimator, rows=rows, seconds=seconds)


def _targets(plan: TrainingPlan, learned: "pd.DataFrame") -> "pd.Series[Any]":
    return learned[LABEL].astype("int64" if plan.output == "probability" else "float64")


def read_training_rows(plan: TrainingPlan, source: LabelSource) -> TrainingRows:
    """The plan's labelled rows, cut by time; the same at every call, for the lake's versions are pinned."""
    features = read_features(source.lake_root, source.key, plan.train_from, plan.until, plan.features_version)
    joined = join_labels(features, source, plan.as_of, plan.labels_version)
    labelled = joined[joined[LABEL].notna()]
    learned = labelled[labelled[BATCH_DAY] <= plan.train_until].reset_index(drop=True)
    held_out = labelled[labelled[BATCH_DAY] > plan.train_until].reset_index(drop=True)
    _refuse_too_few(plan, learned, held_out)
    return TrainingRows(schema=input_schema(learned, source.key), learned=learned, held_out=held_out)


def input_schema(rows: "pd.DataFrame", key: str) -> InputSchema:
    """The model's inputs: every column of the features but the key, the two times and the label, in their order."""
    columns = tuple(
        Column(name=str(name), type=_column_type(rows[name]))
        for name in rows.columns
        if name not in (key, ASKED_AT, BATCH_DAY, LABEL, KNOWN_AT)
    )
    return InputSchema(key=key, columns=columns)


def as_inputs(rows: "pd.DataFrame", schema: InputSchema) -> "pd.DataFrame":
    """The model's inputs as a server gives them: numbers as float64, strings as objects, missing as NaN or None."""
    dtypes = {"string": "object", "double": "float64", "long": "float64", "boolean": "float64"}
    inputs = rows[list(schema.names)].astype({column.name: dtypes[column.type] for column in schema.columns})
    strings = [column.name for column in schema.columns if column.type == "string"]
    missing: Any = None  # pandas takes it, its stubs do not
    return inputs.assign(**{name: inputs[name].where(inputs[name].notna(), missing) for name in strings})


def _column_type(column: "pd.Series") -> Any:
    kinds = {"f": "double", "i": "long", "u": "long", "b": "boolean", "O": "string", "T": "string", "U": "string"}
    found = kinds.get(column.dtype.kind)
    if found is None:
        raise ConfigError(
            f"feature {column.name!r} should be text, a number or a truth value, found {column.dtype}; "
            "let the pipeline's features function turn it into one of them"
        )
    return found


def _refuse_too_few(plan: TrainingPlan, learned: "pd.DataFrame", held_out: "pd.DataFrame") -> None:
    if plan.output == "value":
        _refuse_too_few_values(plan, learned)
    else:
        _refuse_too_few_of_a_class(plan, learned)
    if held_out.empty:
        raise TrainingRefused(
            f"expected labelled rows after {plan.train_until} up to {plan.until}, found none; wait for their labels"
        )


def _refuse_too_few_values(plan: TrainingPlan, learned: "pd.DataFrame") -> None:
    if len(learned) < plan.rows_min or learned[LABEL].nunique() < VALUES_MIN:
        raise TrainingRefused(
            f"expected {plan.rows_min} labelled rows in {plan.train_from}…{plan.train_until} with {VALUES_MIN} "
            f"different values, found {len(learned)} with {learned[LABEL].nunique()}; ingest more days or lower "
            "retrain.rows_min"
        )


def _refuse_too_few_of_a_class(plan: TrainingPlan, learned: "pd.DataFrame") -> None:
    positives = int(learned[LABEL].sum())
    negatives = len(learned) - positives
    if len(learned) < plan.rows_min or min(positives, negatives) < POSITIVES_MIN:
        raise TrainingRefused(
            f"expected {plan.rows_min} labelled rows in {plan.train_from}…{plan.train_until} with {POSITIVES_MIN} of "
            f"each class, found {positives} positive and {negatives} negative; ingest more days or lower "
            "retrain.rows_min"
        )
