"""Training: which rows, pinned and in the order of time, and the model that they make.

A candidate is published exactly as it was compared: it never saw the held-out days, and it is not fitted again on them.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from healing.errors import ConfigError, StoreUnavailable
from releases.manifest import Column, InputSchema
from tasks.config.pipeline import Output
from tasks.config.retrain_section import Search
from tasks.evaluation.labels import LabelSource, join_labels, read_features
from tasks.evaluation.losses import LogLoss, Loss, SquaredError
from tasks.lake.columns import ASKED_AT, BATCH_DAY, FEATURES, KNOWN_AT, LABEL
from tasks.lake.lake_table import LakeTable
from tasks.runtime import crash_points as points
from tasks.training.answers import predict
from tasks.training.refusals import refuse_too_few
from tasks.training.search import Found, Ground, search
from tasks.training.threads import at_most

if TYPE_CHECKING:
    import pandas as pd

log = structlog.get_logger(__name__)


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
    label_coverage_min: float = 0.0
    threads: int = 1
    search: Search | None = None

    @property
    def key(self) -> str:
        """SHA-256 (64 hex digits) over the plan; a repeated retrain finds its earlier work by it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()

    @property
    def seed(self) -> int:
        """For all that is drawn on the way: the same plan draws the same."""
        return int(self.key[:8], 16)


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Labelled rows to learn from, and the held-out ones after them on which the candidate meets others.

    `immature` are the newest days, left out because many of their labels are still to come.
    """

    schema: InputSchema
    learned: "pd.DataFrame"
    held_out: "pd.DataFrame"
    immature: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model, the rows it was made with, what a search found for it, and how long fitting took."""

    estimator: Any  # scikit-learn ships no types
    rows: TrainingRows
    seconds: float
    found: Found | None = None


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
    """Fit the pipeline's estimator on the plan's rows, see `fit`.

    TrainingRefused with too few labels, of either class or in the held-out days.
    """
    return fit(plan, read_training_rows(plan, source), build_estimator)


def fit(plan: TrainingPlan, rows: TrainingRows, build_estimator: Callable[[], Any]) -> Trained:
    """Search for parameters where the plan says so, then fit on every row that is learned from.

    In as many threads as the plan says: sums in another order differ in their last bits, and trees grow from them.
    """
    inputs, targets = as_inputs(rows.learned, rows.schema), _targets(plan, rows.learned)
    with at_most(plan.threads):
        found = None
        if plan.search is not None:
            ground = Ground(inputs, targets, rows.learned[BATCH_DAY], loss_on(plan, rows).of, predict)
            found = search(build_estimator, ground, plan.search, plan.seed)
            points.reached("retrain.searched", fits=len(found.tried))
        started = time.perf_counter()
        estimator = build_estimator()
        if found is not None:
            estimator.set_params(**found.parameters)
        estimator.fit(inputs, targets)
        seconds = time.perf_counter() - started
    log.info("model_fitted", pipeline=plan.pipeline, rows=len(inputs), seconds=round(seconds, 3), plan=plan.key[:12])
    return Trained(estimator=estimator, rows=rows, seconds=seconds, found=found)


def base_rate(rows: TrainingRows) -> float:
    """Mean label of the rows learned from, for a class its share: the answer that needs no model."""
    return float(rows.learned[LABEL].mean())


def loss_on(plan: TrainingPlan, rows: TrainingRows) -> Loss:
    """By what answers are held against labels."""
    return LogLoss() if plan.output == "probability" else SquaredError(float(rows.learned[LABEL].var(ddof=0)))


def _targets(plan: TrainingPlan, learned: "pd.DataFrame") -> "pd.Series[Any]":
    return learned[LABEL].astype("int64" if plan.output == "probability" else "float64")


def read_training_rows(plan: TrainingPlan, source: LabelSource) -> TrainingRows:
    """The plan's labelled rows, cut by time; the same at every call, for the lake's versions are pinned."""
    features = read_features(source.lake_root, source.key, plan.train_from, plan.until, plan.features_version)
    joined = join_labels(features, source, plan.as_of, plan.labels_version)
    immature = immature_days(joined, plan.label_coverage_min)
    labelled = joined[joined[LABEL].notna() & ~joined[BATCH_DAY].isin(immature)]
    learned = labelled[labelled[BATCH_DAY] <= plan.train_until].reset_index(drop=True)
    held_out = labelled[labelled[BATCH_DAY] > plan.train_until].reset_index(drop=True)
    refuse_too_few(plan, learned, held_out)
    schema = input_schema(learned, source.key)
    return TrainingRows(schema=schema, learned=learned, held_out=held_out, immature=immature)


def immature_days(joined: "pd.DataFrame", coverage_min: float) -> tuple[date, ...]:
    """The newest days whose share of labelled rows is below `coverage_min` times the median day's.

    Labels that come first may be of one kind (what failed is known sooner), so a day counts when nearly all are there.
    Older days keep what they have: what is missing there will not come (cancelled flights never land).
    """
    coverage = joined.groupby(BATCH_DAY, sort=True)[LABEL].apply(lambda labels: labels.notna().mean())
    enough = coverage[coverage >= coverage_min * coverage.median()]
    days = coverage.index if enough.empty else coverage.index[coverage.index > enough.index[-1]]
    return tuple(days)


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
