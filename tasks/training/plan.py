"""Training plan: everything that decides what the model will be, and the key by which a repeated run finds its work."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from healing.errors import StoreUnavailable
from releases.output import Output as ModelOutput
from tasks.config.pipeline import ClassNames, Output, Pipeline
from tasks.config.retrain_section import Retrain, Search
from tasks.evaluation.labels import LabelSource, day_end
from tasks.lake.columns import FEATURES
from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable
from tasks.training.provenance import installed_environment, source_sha256


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The inputs of one training. Equal plans have the same `key` and produce the same model.

    Days are inclusive: the training days are [train_from, train_until], the held-out days (train_until, until]. A label
    counts if it was known at `as_of`. The versions pin the lake tables; the digests pin the estimator's source file and
    the installed libraries. Of more labelled rows than `rows_max` and `holdout_rows_max`, a sample is used. With
    `refit`, the recipe of the plan without it is fitted on the held-out rows too.
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
    rows_max: int
    holdout_rows_max: int
    output: Output = "probability"
    classes: ClassNames = ()
    label_coverage_min: float = 0.0
    threads: int = 1
    search: Search | None = None
    refit: bool = False

    @property
    def key(self) -> str:
        """SHA-256 (64 hex digits) of the plan."""
        fields = asdict(self)
        for name in ("refit", "classes"):  # plans had these keys before they had these fields
            if not fields[name]:
                del fields[name]
        return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def seed(self) -> int:
        """Seed of every random draw during the training, a function of the plan."""
        return int(self.key[:8], 16)

    @property
    def is_class(self) -> bool:
        """Whether the model predicts probabilities of classes; if not, it predicts a quantity."""
        return self.output != "value"

    @property
    def model_output(self) -> ModelOutput | None:
        """What the model's manifest says of its answers; None where one number per row is the whole answer."""
        return ModelOutput(kind="probabilities", names=self.classes) if self.classes else None


def plan_training(
    pipeline: Pipeline, labels: LabelSource, until: date | None = None, estimator: str | None = None
) -> TrainingPlan:
    """Pin everything that decides what the model will be.

    `until` is the last day used, by default the last day with features. `estimator` (module:function) replaces the
    pipeline's own and is fitted without a search, because it may not have the searched parameters.
    """
    rules = pipeline.retrain
    first_day, last_day = feature_days(labels.lake_root, labels.key)
    until = until or last_day
    train_from, train_until = training_days(until, rules.lookback_days, rules.holdout_days)
    features_version, labels_version = pinned_versions(labels)
    reference = estimator or pipeline.estimator_path
    return TrainingPlan(
        pipeline=pipeline.name,
        train_from=max(train_from, first_day),
        train_until=train_until,
        until=until,
        as_of=day_end(until, labels.zone),
        features_version=features_version,
        labels_version=labels_version,
        estimator=reference,
        estimator_sha256=source_sha256(pipeline.resolve(reference)),
        rows_min=rules.rows_min,
        requirements_sha256=installed_environment().sha256,
        rows_max=rules.rows_max,
        holdout_rows_max=rules.holdout_rows_max,
        output=pipeline.prediction.output,
        classes=pipeline.label.classes,
        label_coverage_min=rules.label_coverage_min,
        threads=rules.threads,
        search=rules.search if reference == pipeline.estimator_path else None,
    )


def plan_at(plan: TrainingPlan, until: date, rules: Retrain, zone: ZoneInfo, first_day: date) -> TrainingPlan:
    """The plan that `plan_training` makes on the same versions at the end of day `until`.

    `first_day` is the first day with features.
    """
    train_from, train_until = training_days(until, rules.lookback_days, rules.holdout_days)
    as_of = day_end(until, zone)
    return replace(plan, train_from=max(train_from, first_day), train_until=train_until, until=until, as_of=as_of)


def training_days(until: date, lookback_days: int, holdout_days: int) -> tuple[date, date]:
    """First and last training day when the last `holdout_days` up to and including `until` are held out."""
    train_until = until - timedelta(days=holdout_days)
    return train_until - timedelta(days=lookback_days - 1), train_until


def feature_days(lake_root: LakeRoot, key: str) -> tuple[date, date]:
    """First and last day with features. StoreUnavailable when no day has features."""
    days = LakeTable(lake_root, FEATURES, [key]).day_range()
    if days is None:
        raise StoreUnavailable(f"expected rows in table {FEATURES} of {lake_root}, found none; ingest a day first")
    return days


def pinned_versions(source: LabelSource) -> tuple[int, int]:
    """Current versions of the features table and of the label table."""
    features = LakeTable(source.lake_root, FEATURES, [source.key]).version()
    labels = LakeTable(source.lake_root, source.table, source.table_key).version()
    if features is None or labels is None:
        missing = FEATURES if features is None else source.table
        raise StoreUnavailable(f"expected table {missing} in {source.lake_root}, found none; ingest a day first")
    return features, labels
