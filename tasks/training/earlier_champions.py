"""Earlier champions compared with the champion on the newest labelled rows: one that wins may return.

A regime may end and come back: a season, a tariff, a customer. Then the model of that regime is better than the
champion, and better than a new one, which learns mostly days of the other regime. (Mallick et al., *Matchmaker: data
drift mitigation in machine learning for large-scale systems*, 2022.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import structlog

from releases.loader import LoadedModel
from tasks.config.pipeline import Pipeline
from tasks.evaluation.clustered import clustered_mean
from tasks.evaluation.losses import loss_of
from tasks.evaluation.predictions import classes_of, in_order, predictions_of
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY
from tasks.training.baselines import CHAMPION
from tasks.training.candidate_comparison import HeldOutLosses, compare_segments
from tasks.training.comparison import Comparison, ComparisonOutcome, ComparisonRule, compare, compare_several
from tasks.training.dataset import TrainingDataset, training_loss
from tasks.training.fit import fit_recipe
from tasks.training.inference import as_inputs, predict
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Predictions = NDArray[np.float64]  # shape (rows,) or (rows, classes)
    Values = NDArray[np.float64]  # shape (rows,)

log = structlog.get_logger(__name__)

NEW_MODEL = "a new model"
ALPHA = 0.01  # a false return costs the champion its place, so it is rarer than a win by chance in other comparisons
FIT_ALPHA = 0.05  # one tail: the loss of an earlier champion is above that at its acceptance


@dataclass(frozen=True, slots=True)
class EarlierChampion:
    """An earlier champion, compared with the champion. `returns`: it wins, and nothing else speaks against it.

    `why_not` says what speaks against one that wins.
    """

    digest: str
    version: str
    comparison: Comparison
    returns: bool = False
    why_not: str = ""

    @property
    def reason(self) -> str:
        """The comparison in numbers, and what speaks against a return."""
        return f"{self.comparison.reason}; {self.why_not}" if self.why_not else self.comparison.reason


def compare_earlier(
    pipeline: Pipeline,
    plan: TrainingPlan,
    dataset: TrainingDataset,
    champion: LoadedModel,
    earlier: Mapping[str, LoadedModel],
    recipe: Any,
) -> tuple[EarlierChampion, ...]:
    """Compare earlier champions, by digest, with the champion on the held-out rows. At most one of them returns.

    Left out is one that has learned a held-out row, or that has other inputs or outputs than the champion. An earlier
    champion returns if its loss is lower by significantly more than `retrain.worse_tolerated` (`ALPHA` over all of
    them), if it is not worse in any segment, if its loss is about that of its acceptance, and if a new model would not
    be better (`rehearse`). Of several that win, only the one with the largest gain may return. `recipe` is the
    estimator of the plan; it is fitted only where one wins.
    """
    able = {digest: model for digest, model in earlier.items() if _is_comparable(model, champion, dataset)}
    losses = {digest: found for digest, model in able.items() if (found := _losses(plan, dataset, model)) is not None}
    of_champion = _losses(plan, dataset, champion)
    if of_champion is None or not losses:
        return ()
    days, measure = dataset.held_out[BATCH_DAY], training_loss(plan, dataset).name
    rule = ComparisonRule(pipeline.monitor.rows_min, ALPHA, measure=measure, tolerated=pipeline.retrain.worse_tolerated)
    compared = compare_several(
        CHAMPION, {digest: by_day(days, of_champion - mine) for digest, mine in losses.items()}, rule
    )
    winners = [digest for digest, found in compared.items() if found.outcome is ComparisonOutcome.WIN]
    best = max(winners, key=lambda digest: compared[digest].gain or 0.0, default=None)
    why_not = dict.fromkeys(winners, "another one gains more")
    if best is not None:
        pairs = HeldOutLosses(dataset.held_out, losses[best], {CHAMPION: of_champion}, measure)
        why_not[best] = (
            _other_regime(pipeline, plan, dataset, able[best])
            or _worse_segment(pipeline, pairs)
            or _better_new_model(rehearse(plan, dataset, able[best], recipe))
        )
    return tuple(
        EarlierChampion(
            digest, able[digest].manifest.version, found, why_not.get(digest) == "", why_not.get(digest, "")
        )
        for digest, found in compared.items()
    )


def rehearse(plan: TrainingPlan, dataset: TrainingDataset, model: LoadedModel, recipe: Any) -> Comparison:
    """`model` against a new one that has learned the older half of the held-out days, on their newer half.

    What would be released is a refit that has learned all held-out days. No row shows how good that is; this is the
    nearest that rows can show. It makes one fit, which is not registered.
    """
    days = sorted(set(dataset.held_out[BATCH_DAY]))
    newer = dataset.held_out[BATCH_DAY] >= days[len(days) // 2]
    older_rows = round((1 - float(newer.mean())) * dataset.held_out_sample.of)
    older = replace(dataset, held_out=dataset.held_out[~newer].reset_index(drop=True), held_out_all=older_rows)
    older_half = older.with_held_out()
    halves = replace(older_half, held_out=dataset.held_out[newer].reset_index(drop=True))
    loss = training_loss(plan, dataset)
    try:
        new = predict(fit_recipe(plan, halves, recipe).estimator, halves.held_out_inputs)
    except ValueError as exc:
        outcome, rows = ComparisonOutcome.WIN, len(halves.held_out)
        return Comparison.without_gain(NEW_MODEL, outcome, rows, f"a new model raises: {exc}", blocks=False)
    mine = loss.of(_answers(plan, halves, model), halves.held_out_labels)
    gains = by_day(halves.held_out[BATCH_DAY], loss.of(new, halves.held_out_labels) - mine)
    return compare(NEW_MODEL, gains, ComparisonRule(rows_min=1, days_min=2, measure=loss.name))


def _better_new_model(rehearsal: Comparison) -> str:
    """The reason for the usual retrain: a new model is at least as good in the mean, or too few days show it."""
    better = rehearsal.outcome is ComparisonOutcome.WIN or (rehearsal.gain is not None and rehearsal.gain > 0)
    return "" if better else f"a new model is as good: {rehearsal.reason}"


def _is_comparable(model: LoadedModel, champion: LoadedModel, dataset: TrainingDataset) -> bool:
    mine, its = model.manifest, champion.manifest
    first: date = min(dataset.held_out[BATCH_DAY])
    same = (mine.input_schema, mine.output) == (its.input_schema, its.output)
    return same and date.fromisoformat(mine.trained_until) < first


def _losses(plan: TrainingPlan, dataset: TrainingDataset, model: LoadedModel) -> "Values | None":
    """The loss of each held-out row; None if the model raises on them."""
    try:
        return training_loss(plan, dataset).of(_answers(plan, dataset, model), dataset.held_out_labels)
    except ValueError as exc:
        log.warning("earlier_champion_raises", version=model.manifest.version, cause=str(exc))
        return None


def _answers(plan: TrainingPlan, dataset: TrainingDataset, model: LoadedModel) -> "Predictions":
    """Predictions for the held-out rows, of several classes in the order of the plan."""
    found = predictions_of(model, as_inputs(dataset.held_out, model.manifest.input_schema))
    return in_order(found, classes_of(model.manifest), plan.classes)


def _other_regime(pipeline: Pipeline, plan: TrainingPlan, dataset: TrainingDataset, model: LoadedModel) -> str:
    """Why the rows are of another regime than the one in which the model was accepted; empty if they may be of it.

    As in the monitor's check of quality, the excess loss counts, so that harder rows alone are no other regime.
    """
    metrics = model.manifest.reference.metrics
    loss = loss_of(metrics)
    usual = max(0.0, metrics.get(loss.excess_metric, 0.0))
    rows = loss.excess(_answers(plan, dataset, model), dataset.held_out_labels)
    excess = clustered_mean(by_day(dataset.held_out[BATCH_DAY], rows))
    if excess.lower(FIT_ALPHA) - usual <= pipeline.monitor.loss_increase_tolerated:
        return ""
    return (
        f"its excess {loss.name} is {excess.value:+.4f} on these rows and was {usual:+.4f} when it was accepted: the "
        "regime is another one"
    )


def _worse_segment(pipeline: Pipeline, losses: HeldOutLosses) -> str:
    worse = [each for each in compare_segments(pipeline, losses, CHAMPION) if each.blocks]
    return f"worse than the champion in {worse[0].segment}" if worse else ""
