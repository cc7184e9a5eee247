"""Training dataset: labelled rows of a plan, split by time into training rows and held-out rows.

A candidate is compared before it is fitted on held-out rows; only then is its recipe fitted again on all rows.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from healing.errors import TrainingRefused
from releases.manifest import InputSchema
from tasks.evaluation.labels import LabelSource, join_labels, read_features
from tasks.evaluation.losses import LogLoss, Loss, SquaredError
from tasks.lake.columns import BATCH_DAY, LABEL
from tasks.training.inference import as_inputs, input_schema
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

POSITIVES_MIN = 50  # rows of each class: with fewer, the log-loss is mostly chance
CLASS_ROWS_MIN = 10  # rows of each of several classes: with fewer, a model cannot learn to tell it from the others
VALUES_MIN = 3  # distinct values of a quantity: with fewer it is a class


@dataclass(frozen=True, slots=True)
class TrainingDataset:
    """Labelled rows to fit on (`train`) and the later rows on which models are compared (`held_out`).

    `immature` are the newest days, left out because many of their labels are not known yet.
    """

    schema: InputSchema
    train: "pd.DataFrame"
    held_out: "pd.DataFrame"
    immature: tuple[date, ...] = ()

    def with_held_out(self) -> "TrainingDataset":
        """The dataset of a refit: all rows are training rows; the held-out rows stay those of the comparison."""
        import pandas as pd

        return replace(self, train=pd.concat([self.train, self.held_out], ignore_index=True))

    @property
    def train_inputs(self) -> "pd.DataFrame":
        return as_inputs(self.train, self.schema)

    @property
    def held_out_inputs(self) -> "pd.DataFrame":
        return as_inputs(self.held_out, self.schema)

    @property
    def held_out_labels(self) -> "NDArray[np.float64]":
        return self.held_out[LABEL].to_numpy()


def read_dataset(plan: TrainingPlan, source: LabelSource) -> TrainingDataset:
    """The plan's labelled rows; equal on every call, because the plan pins the lake's versions.

    TrainingRefused when there are too few training rows, or no held-out row.
    """
    features = read_features(source.lake_root, source.key, plan.train_from, plan.until, plan.features_version)
    return dataset_of(plan, join_labels(features, source, plan.as_of, plan.labels_version), source.key)


def dataset_of(plan: TrainingPlan, joined: "pd.DataFrame", key: str) -> TrainingDataset:
    """The dataset of the plan's rows, which were joined with the labels known at `plan.as_of`.

    TrainingRefused when there are too few training rows, or no held-out row.
    """
    immature = immature_days(joined, plan.label_coverage_min)
    labelled = joined[joined[LABEL].notna() & ~joined[BATCH_DAY].isin(immature)]
    train = labelled[labelled[BATCH_DAY] <= plan.train_until].reset_index(drop=True)
    held_out = labelled[labelled[BATCH_DAY] > plan.train_until].reset_index(drop=True)
    _refuse_too_few_rows(plan, train, held_out)
    return TrainingDataset(input_schema(train, key), train, held_out, immature)


def immature_days(joined: "pd.DataFrame", coverage_min: float) -> tuple[date, ...]:
    """The newest days whose share of labelled rows is below `coverage_min` times that of the median day.

    The labels that arrive first may all be of one kind (a failure is known sooner), so a day is used once nearly all of
    its labels are known. Older days are always used: a label missing there will never arrive (a cancelled flight).
    """
    is_known = joined[LABEL].notna().astype("float64")
    coverage = is_known.groupby(joined[BATCH_DAY], sort=True).mean()
    enough = coverage[coverage >= coverage_min * coverage.median()]
    days = coverage.index if enough.empty else coverage.index[coverage.index > enough.index[-1]]
    return tuple(days)


def base_rate(dataset: TrainingDataset) -> float:
    """Mean label of the training rows: the share of the positive class, or the mean of a quantity."""
    return float(dataset.train[LABEL].mean())


def class_shares(plan: TrainingPlan, dataset: TrainingDataset) -> "NDArray[np.float64]":
    """The share of each of several classes in the training rows, shape (classes,)."""
    import numpy as np

    counts = np.bincount(dataset.train[LABEL].astype("int64"), minlength=len(plan.classes))
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def training_loss(plan: TrainingPlan, dataset: TrainingDataset) -> Loss:
    """The loss by which predictions are compared with labels."""
    return LogLoss() if plan.is_class else SquaredError(float(dataset.train[LABEL].var(ddof=0)))


def targets_of(plan: TrainingPlan, rows: "pd.DataFrame") -> "pd.Series[Any]":
    """Labels of `rows` in the type that an estimator is fitted on."""
    return rows[LABEL].astype("int64" if plan.is_class else "float64")


def _refuse_too_few_rows(plan: TrainingPlan, train: "pd.DataFrame", held_out: "pd.DataFrame") -> None:
    if plan.classes:
        _refuse_too_few_of_several_classes(plan, train)
    elif plan.is_class:
        _refuse_too_few_of_a_class(plan, train)
    else:
        _refuse_too_few_values(plan, train)
    if held_out.empty:
        raise TrainingRefused(
            f"expected labelled rows after {plan.train_until} up to {plan.until}, found none; wait for their labels"
        )


def _refuse_too_few_values(plan: TrainingPlan, train: "pd.DataFrame") -> None:
    if len(train) < plan.rows_min or train[LABEL].nunique() < VALUES_MIN:
        raise TrainingRefused(
            f"expected {plan.rows_min} labelled rows from {plan.train_from} to {plan.train_until} with {VALUES_MIN} "
            f"different values, found {len(train)} with {train[LABEL].nunique()}; ingest more days or lower "
            "retrain.rows_min"
        )


def _refuse_too_few_of_a_class(plan: TrainingPlan, train: "pd.DataFrame") -> None:
    positives = int(train[LABEL].sum())
    negatives = len(train) - positives
    if len(train) < plan.rows_min or min(positives, negatives) < POSITIVES_MIN:
        raise TrainingRefused(
            f"expected {plan.rows_min} labelled rows from {plan.train_from} to {plan.train_until} with "
            f"{POSITIVES_MIN} of each class, found {positives} positive and {negatives} negative; ingest more days or "
            "lower retrain.rows_min"
        )


def _refuse_too_few_of_several_classes(plan: TrainingPlan, train: "pd.DataFrame") -> None:
    counts = {name: int((train[LABEL] == place).sum()) for place, name in enumerate(plan.classes)}
    if len(train) < plan.rows_min or min(counts.values()) < CLASS_ROWS_MIN:
        found = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise TrainingRefused(
            f"expected {plan.rows_min} labelled rows from {plan.train_from} to {plan.train_until} with "
            f"{CLASS_ROWS_MIN} of each class, found {found}; ingest more days, raise retrain.lookback_days, lower "
            "retrain.rows_min, or take a class that no longer occurs out of label.classes"
        )
