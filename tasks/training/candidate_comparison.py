"""The candidate compared with every baseline on the held-out rows, overall and by segment.

The candidate must be better than the base rate. It must not be worse than the champion, nor worse in any segment than
the champion (before there is one: than the base rate). It must not be worse than a simple model either, unless it is
better than the champion: to refuse it would keep a model that is worse than both.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from healing.errors import ConfigError
from releases.loader import LoadedModel
from tasks.config.pipeline import Pipeline
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY
from tasks.training.baselines import (
    BASE_RATE,
    CHAMPION,
    SIMPLE_MODEL,
    reference_predictions,
    simple_model_predictions,
)
from tasks.training.comparison import Comparison, ComparisonOutcome, ComparisonRule, compare, compare_no_worse
from tasks.training.dataset import TrainingDataset, training_loss
from tasks.training.held_out_summary import HeldOutSummary, summarise_held_out
from tasks.training.importance import permutation_importance
from tasks.training.inference import predict
from tasks.training.leakage import leakage_warning
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

REASON_CHARACTERS_MAX = 200  # an encoder may list every category that it does not know


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """All comparisons of one candidate. `leakage_warning` is empty without suspicion, and decides nothing.

    `held_out` is None if the candidate raises on the held-out rows.
    """

    comparisons: tuple[Comparison, ...]
    leakage_warning: str = ""
    held_out: HeldOutSummary | None = None

    @property
    def accepted(self) -> bool:
        """Whether no comparison blocks the candidate."""
        return not any(compared.blocks for compared in self.comparisons)


@dataclass(frozen=True, slots=True)
class HeldOutLosses:
    """Held-out rows, with the losses of the candidate and of each baseline, one per row."""

    rows: "pd.DataFrame"
    candidate: "NDArray[np.float64]"
    baselines: Mapping[str, "NDArray[np.float64]"]
    measure: str

    def gains(self, against: str, where: Any = slice(None)) -> Any:
        """Daily sums of the baseline's loss minus the candidate's, on the rows selected by `where`."""
        return by_day(self.rows[BATCH_DAY][where], (self.baselines[against] - self.candidate)[where])


def compare_with_baselines(
    pipeline: Pipeline, plan: TrainingPlan, dataset: TrainingDataset, estimator: Any, champion: LoadedModel | None
) -> ComparisonResult:
    """Compare `estimator` with the base rate, a simple model and the champion, overall and by segment.

    ConfigError when one of the pipeline's `segments` is not a feature.
    """
    loss, labels = training_loss(plan, dataset), dataset.held_out_labels
    predictions = dict(reference_predictions(plan, dataset, champion))
    try:
        answers = predict(estimator, dataset.held_out_inputs)
        candidate = loss.of(answers, labels)
    except ValueError as exc:
        return _all_not_better(tuple(predictions), len(labels), exc)
    predictions[SIMPLE_MODEL] = simple_model_predictions(plan, dataset)
    baselines = {name: loss.of(found, labels) for name, found in predictions.items()}
    losses = HeldOutLosses(dataset.held_out, candidate, baselines, loss.name)
    comparisons = (
        *_compare_overall(pipeline, losses),
        *compare_segments(pipeline, losses, CHAMPION if champion else BASE_RATE),
    )
    found = (candidate, baselines[BASE_RATE])
    summary = summarise_held_out(dataset.held_out, dataset.held_out_inputs, answers, found, loss.name, plan.classes)
    return ComparisonResult(comparisons, _leakage_warning(plan, dataset, estimator, losses), summary)


def _all_not_better(baselines: tuple[str, ...], rows: int, exc: ValueError) -> ComparisonResult:
    reason = textwrap.shorten(f"the candidate raises on the held-out rows: {exc}", REASON_CHARACTERS_MAX)
    outcome = ComparisonOutcome.NOT_BETTER
    return ComparisonResult(
        tuple(Comparison.without_gain(name, outcome, rows, reason, blocks=True) for name in baselines)
    )


def _compare_overall(pipeline: Pipeline, losses: HeldOutLosses) -> tuple[Comparison, ...]:
    rule = ComparisonRule(rows_min=pipeline.monitor.rows_min, measure=losses.measure)
    tolerant = replace(rule, tolerated=pipeline.retrain.worse_tolerated)
    found = [compare(BASE_RATE, losses.gains(BASE_RATE), rule)]
    if CHAMPION in losses.baselines:
        found += compare_no_worse(CHAMPION, {"": losses.gains(CHAMPION)}, tolerant, unknown_blocks=True)
    [simple] = compare_no_worse(SIMPLE_MODEL, {"": losses.gains(SIMPLE_MODEL)}, tolerant)
    beats_champion = any(each.against == CHAMPION and each.outcome is ComparisonOutcome.WIN for each in found)
    return (*found, replace(simple, blocks=simple.blocks and not beats_champion))


def compare_segments(pipeline: Pipeline, losses: HeldOutLosses, against: str) -> tuple[Comparison, ...]:
    """Each segment with enough rows separately; the smaller ones of a column in one INCONCLUSIVE comparison."""
    rules = pipeline.retrain
    gains, too_small = {}, []
    for column in pipeline.segments:
        _check_segment(pipeline, losses.rows, column)
        counts = losses.rows[column].value_counts()
        for value in sorted(counts.index, key=str):
            if counts[value] >= rules.segment_rows_min:
                where = (losses.rows[column] == value).to_numpy()
                gains[f"{column}={value}"] = losses.gains(against, where)
        small = counts[counts < rules.segment_rows_min]
        if len(small):
            too_small.append(_too_small(column, small, against, rules.segment_rows_min))
    rule = ComparisonRule(rows_min=rules.segment_rows_min, measure=losses.measure, tolerated=rules.worse_tolerated)
    return (*compare_no_worse(against, gains, rule), *too_small)


def _check_segment(pipeline: Pipeline, rows: "pd.DataFrame", column: str) -> None:
    if column not in rows:
        raise ConfigError(
            f"expected segments of pipeline {pipeline.name!r} to name features, found {column!r}; features are "
            f"{', '.join(map(str, rows.columns))}"
        )


def _too_small(column: str, counts: "pd.Series[int]", against: str, rows_min: int) -> Comparison:
    names = textwrap.shorten(", ".join(sorted(map(str, counts.index))), REASON_CHARACTERS_MAX)
    rows = int(counts.sum())
    reason = f"{rows} rows in all, {rows_min} needed in each"
    outcome = ComparisonOutcome.INCONCLUSIVE
    return Comparison.without_gain(against, outcome, rows, reason, segment=f"{column}={names}", blocks=False)


def _leakage_warning(plan: TrainingPlan, dataset: TrainingDataset, estimator: Any, losses: HeldOutLosses) -> str:
    means = {name: float(found.mean()) for name, found in losses.baselines.items()}
    warning = leakage_warning(float(losses.candidate.mean()), means[BASE_RATE], means.get(CHAMPION))
    if not warning:
        return ""
    column = next(iter(permutation_importance(plan, dataset, estimator)), "no column")
    return f"{warning}; the model depends most on {column!r}"
