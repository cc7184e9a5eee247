"""The refit: the recipe that was compared is fitted once more on all labelled rows, the held-out ones included.

Only the recipe was compared, so the refit has to agree with the compared fit where both have learned: on the rows that
both were fitted on. Newest labels that contradict all earlier ones (poisoned, biased, of another kind) show there;
then the compared fit is released as it is.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tasks.config.pipeline import Pipeline
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL
from tasks.training.comparison import Comparison, ComparisonOutcome, ComparisonRule, compare_no_worse
from tasks.training.dataset import TrainingDataset, training_loss
from tasks.training.inference import predict
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPARED_FIT = "the compared fit"
AGREEMENT_ROWS_MAX = 30_000  # more would take longer to predict than the fit takes


def refit_plan(plan: TrainingPlan, dataset: TrainingDataset) -> TrainingPlan:
    """The plan of the refit. It ends with the last day that has mature labels, and searches for nothing."""
    return replace(plan, train_until=max(dataset.held_out[BATCH_DAY]), search=None, refit=True)


def compare_refit(
    pipeline: Pipeline, plan: TrainingPlan, dataset: TrainingDataset, compared: Any, refit: Any
) -> Comparison:
    """The refit against the compared fit on the training rows of both (`dataset.train`), or a sample of them.

    WORSE, which blocks, when its loss is larger by significantly more than `retrain.refit_worse_tolerated`, and
    NOT_BETTER when it raises on these rows.
    """
    loss, dataset = training_loss(plan, dataset), dataset.with_training_sample(AGREEMENT_ROWS_MAX)
    labels = dataset.train[LABEL].to_numpy()
    before = _losses(loss.of, compared, dataset, labels)
    after = _losses(loss.of, refit, dataset, labels)
    if before is None or after is None:
        reason = "it raises on the rows that it was fitted on" if after is None else "the compared fit raises on them"
        outcome = ComparisonOutcome.NOT_BETTER
        return Comparison.without_gain(COMPARED_FIT, outcome, len(labels), reason, blocks=True)
    rules = pipeline.retrain
    rule = ComparisonRule(rows_min=pipeline.monitor.rows_min, measure=loss.name, tolerated=rules.refit_worse_tolerated)
    gains = by_day(dataset.train[BATCH_DAY], before - after)
    (found,) = compare_no_worse(COMPARED_FIT, {"": gains}, rule)
    return found


def _losses(
    loss: Any, estimator: Any, dataset: TrainingDataset, labels: "NDArray[np.float64]"
) -> "NDArray[np.float64] | None":
    try:
        losses: NDArray[np.float64] = loss(predict(estimator, dataset.train_inputs), labels)
    except ValueError:
        return None
    return losses
