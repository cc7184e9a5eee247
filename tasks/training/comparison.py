"""The candidate against its rivals on the same held-out rows: the base rate, a simple model, the champion.

It has to be better than the base rate and than the champion. It must not be worse than a simple model, nor than the
champion in any segment.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from healing.comparison import Compared, Comparison, ComparisonRule, compare, compare_no_worse
from healing.errors import ConfigError
from releases.loader import LoadedModel
from tasks.config.pipeline import Pipeline
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL
from tasks.training.answers import predict
from tasks.training.importance import importance_of
from tasks.training.leakage import suspicion
from tasks.training.simple_model import fit_simple_model
from tasks.training.training import TrainingPlan, TrainingRows, as_inputs, base_rate, loss_on

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

BASELINE = "the base rate"  # of a quantity, its mean
SIMPLE = "a simple model"
CHAMPION = "the champion"
REASON_CHARACTERS_MAX = 200  # an encoder may list every category that it never saw


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The rows on which all meet, and what everybody's answers cost there, row for row."""

    rows: "pd.DataFrame"
    losses: "NDArray[np.float64]"
    rivals: Mapping[str, "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Every comparison of the candidate, of which one that `blocks` keeps it from release; `suspicion` is only said."""

    comparisons: tuple[Compared, ...]
    suspicion: str = ""

    @property
    def won(self) -> bool:
        return not any(compared.blocks for compared in self.comparisons)


def meet_on_held_out(
    pipeline: Pipeline, plan: TrainingPlan, rows: TrainingRows, estimator: Any, champion: LoadedModel | None
) -> Meeting:
    """Score everybody on the held-out rows and compare.

    Segments are held against the champion, before there is one against the base rate. ConfigError when one of
    `segments` is no feature.
    """
    loss = loss_on(plan, rows)
    inputs, labels = as_inputs(rows.held_out, rows.schema), rows.held_out[LABEL].to_numpy()
    answers = {BASELINE: _constant(base_rate(rows), len(inputs))}
    if champion is not None:
        answers[CHAMPION] = champion.predict(as_inputs(rows.held_out, champion.manifest.input_schema))
    try:
        losses = loss.of(predict(estimator, inputs), labels)
    except ValueError as exc:
        reason = textwrap.shorten(f"it raises on the held-out rows: {exc}", REASON_CHARACTERS_MAX)
        failed = [
            Compared(Comparison.NOT_BETTER, rival, len(inputs), 0, None, None, None, reason, blocks=True)
            for rival in answers
        ]
        return Meeting(tuple(failed))
    answers[SIMPLE] = predict(fit_simple_model(plan, rows), inputs)
    met = HeldOut(rows.held_out, losses, {rival: loss.of(found, labels) for rival, found in answers.items()})
    rule = ComparisonRule(rows_min=pipeline.monitor.rows_min, measure=loss.name)
    better = [compare(rival, _gains(met, rival), rule) for rival in answers if rival != SIMPLE]
    lenient = replace(rule, tolerated=pipeline.retrain.worse_tolerated)
    simple = compare_no_worse(SIMPLE, {"": _gains(met, SIMPLE)}, lenient)
    segments = _by_segment(pipeline, met, CHAMPION if champion else BASELINE, loss.name)
    known = {name: float(found.mean()) for name, found in met.rivals.items()}
    doubt = suspicion(float(losses.mean()), known[BASELINE], known.get(CHAMPION))
    if doubt:
        doubt += f"; it depends most on {next(iter(importance_of(plan, rows, estimator)), 'no column')!r}"
    return Meeting((*better, *simple, *segments), doubt)


def _by_segment(pipeline: Pipeline, met: HeldOut, rival: str, measure: str) -> tuple[Compared, ...]:
    """Segments that are large enough one by one, the others of a column together: nothing can be said of them."""
    rules = pipeline.retrain
    gains, too_small = {}, []
    for column in pipeline.segments:
        if column not in met.rows:
            raise ConfigError(
                f"segments of pipeline {pipeline.name} names {column!r}, which is no column of its features; they are "
                f"{', '.join(map(str, met.rows.columns))}"
            )
        counts = met.rows[column].value_counts()
        for value in sorted(counts.index, key=str):
            where = (met.rows[column] == value).to_numpy()
            if counts[value] >= rules.segment_rows_min:
                gains[f"{column}={value}"] = _gains(met, rival, where)
        small = counts[counts < rules.segment_rows_min]
        if len(small):
            names = textwrap.shorten(", ".join(sorted(map(str, small.index))), REASON_CHARACTERS_MAX)
            too_small.append(_too_small(f"{column}={names}", rival, int(small.sum()), rules.segment_rows_min))
    rule = ComparisonRule(rows_min=rules.segment_rows_min, measure=measure, tolerated=rules.worse_tolerated)
    return (*compare_no_worse(rival, gains, rule), *too_small)


def _too_small(segment: str, rival: str, rows: int, rows_min: int) -> Compared:
    reason = f"{rows} rows in all, {rows_min} needed in each"
    return Compared(Comparison.INCONCLUSIVE, rival, rows, 0, None, None, None, reason, segment)


def _gains(met: HeldOut, rival: str, where: Any = slice(None)) -> Any:
    return by_day(met.rows[BATCH_DAY][where], (met.rivals[rival] - met.losses)[where])


def _constant(value: float, rows: int) -> "NDArray[np.float64]":
    import numpy as np

    return np.full(rows, value, dtype=np.float64)
