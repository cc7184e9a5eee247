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
from tasks.evaluation.row_sample import RowSample, sample_positions
from tasks.lake.columns import ASKED_AT, BATCH_DAY, FEATURES, KNOWN_AT, LABEL
from tasks.lake.lake_table import LakeTable
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

    `immature` are the newest days, left out because many of their labels are not known yet. `train_all` and
    `held_out_all` are the numbers of labelled rows from which the two were chosen; None where all are used.
    """

    schema: InputSchema
    train: "pd.DataFrame"
    held_out: "pd.DataFrame"
    immature: tuple[date, ...] = ()
    train_all: int | None = None
    held_out_all: int | None = None

    def with_held_out(self) -> "TrainingDataset":
        """The dataset of a refit: all rows are training rows; the held-out rows stay those of the comparison.

        Of the held-out rows, at most the share is added that the training rows are of theirs: newer rows count no more.
        """
        import pandas as pd

        share, held_out = self.train_sample.share, self.held_out_sample
        added = _chosen(self.held_out, self.schema.key, min(held_out.rows, round(share * held_out.of)))
        train = pd.concat([self.train, added], ignore_index=True)
        of = self.train_sample.of + held_out.of
        return replace(self, train=train, train_all=of if len(train) < of else None)

    def with_training_sample(self, rows_max: int) -> "TrainingDataset":
        """The dataset with at most `rows_max` training rows, of which each day and class keeps its share."""
        return replace(self, train=_chosen(self.train, self.schema.key, rows_max), train_all=self.train_sample.of)

    @property
    def train_sample(self) -> RowSample:
        """How many labelled training rows are used, of how many."""
        return RowSample(len(self.train), len(self.train) if self.train_all is None else self.train_all)

    @property
    def held_out_sample(self) -> RowSample:
        """How many labelled held-out rows are used, of how many."""
        return RowSample(len(self.held_out), len(self.held_out) if self.held_out_all is None else self.held_out_all)

    @property
    def sample(self) -> str:
        """How many rows are used where not all are; empty if all are."""
        found = {"training rows": self.train_sample, "held-out rows": self.held_out_sample}
        return ", ".join(f"{each} {name}" for name, each in found.items() if not each.is_whole)

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
    """The plan's labelled rows, or a sample of them; equal on every call, because the plan pins the lake's versions.

    If there are more rows than the plan uses, only their keys, times and labels are read together, and then the chosen
    rows. TrainingRefused when there are too few training rows, or no held-out row.
    """
    table, days = LakeTable(source.lake_root, FEATURES, [source.key]), (plan.train_from, plan.until)
    where = (source.lake_root, source.key, *days, plan.features_version)
    if table.count(*days, plan.features_version) <= plan.rows_max:
        return dataset_of(plan, join_labels(read_features(*where), source, plan.as_of, plan.labels_version), source.key)
    known = read_features(*where, columns=[source.key, ASKED_AT, BATCH_DAY])
    chosen = _choose_rows(plan, join_labels(known, source, plan.as_of, plan.labels_version), source.key)
    keys = [*chosen.train[source.key], *chosen.held_out[source.key]]
    rows = read_features(*where, keys=keys)
    train, held_out = (_with_features(each, rows, source.key) for each in (chosen.train, chosen.held_out))
    return _dataset(replace(chosen, train=train, held_out=held_out), source.key)


def dataset_of(plan: TrainingPlan, joined: "pd.DataFrame", key: str) -> TrainingDataset:
    """The dataset of the plan's rows, which were joined with the labels known at `plan.as_of`.

    TrainingRefused when there are too few training rows, or no held-out row.
    """
    return _dataset(_choose_rows(plan, joined, key), key)


@dataclass(frozen=True, slots=True)
class _ChosenRows:
    """Labelled rows of both kinds, and from how many they were chosen."""

    train: "pd.DataFrame"
    held_out: "pd.DataFrame"
    immature: tuple[date, ...]
    train_all: int
    held_out_all: int


def _choose_rows(plan: TrainingPlan, joined: "pd.DataFrame", key: str) -> _ChosenRows:
    """The rows that the plan uses. TrainingRefused when there are too few training rows, or no held-out row."""
    immature = immature_days(joined, plan.label_coverage_min)
    labelled = joined[joined[LABEL].notna() & ~joined[BATCH_DAY].isin(immature)]
    earlier = labelled[BATCH_DAY] <= plan.train_until
    all_train, all_held_out = labelled[earlier], labelled[~earlier]
    train, held_out = _chosen(all_train, key, plan.rows_max), _chosen(all_held_out, key, plan.holdout_rows_max)
    _refuse_too_few_rows(plan, train, held_out)
    return _ChosenRows(train, held_out, immature, len(all_train), len(all_held_out))


def _chosen(rows: "pd.DataFrame", key: str | None, rows_max: int) -> "pd.DataFrame":
    """At most `rows_max` of the rows, of each day and class the same share."""
    assert key is not None  # the schema of a dataset is made with the pipeline's key
    return rows.iloc[sample_positions(rows[key], [rows[BATCH_DAY], rows[LABEL]], rows_max)].reset_index(drop=True)


def _with_features(chosen: "pd.DataFrame", features: "pd.DataFrame", key: str) -> "pd.DataFrame":
    """All columns of the features of the chosen rows, and their labels, in the order of the chosen rows."""
    rows = features[features[key].isin(chosen[key])].reset_index(drop=True)
    assert (rows[key].to_numpy() == chosen[key].to_numpy()).all()  # both are in the order of their requests
    return rows.assign(**{name: chosen[name] for name in (LABEL, KNOWN_AT)})


def _dataset(chosen: _ChosenRows, key: str) -> TrainingDataset:
    train, held_out = chosen.train, chosen.held_out
    return TrainingDataset(
        schema=input_schema(train, key),
        train=train,
        held_out=held_out,
        immature=chosen.immature,
        train_all=None if len(train) == chosen.train_all else chosen.train_all,
        held_out_all=None if len(held_out) == chosen.held_out_all else chosen.held_out_all,
    )


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
