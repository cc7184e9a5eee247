"""A renewal with a sound recipe and a broken refit: the last days are poisoned, and the recipe learns mostly from them.

The comparison accepts the recipe, because most held-out days are sound. The guard of the refit is what normally refuses
such a refit; with its tolerance opened, the trial aborts it by name.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from healing.trial_rules import DEFAULT_RULES, TrialCheck
from healing.verdict import Outcome
from tasks.monitoring.champion_comparison import paired_quality
from tasks.training.candidate_comparison import compare_with_baselines
from tasks.training.fit import fit_recipe
from tasks.training.refit import compare_refit
from tests.tasks.monitoring.shadow_trial_log import (
    BEGAN,
    CHALLENGER,
    CHAMPION,
    Request,
    log_shadow_trial,
    send_labels,
)
from tests.tasks.training.test_refit import HELD_OUT_DAYS, TRAIN_DAYS, dataset_of, plan_training
from tests.toy import (
    ROWS_PER_DAY,
    day_of,
    labelled_days,
    reversed_law,
    toy_labels,
    toy_pipeline,
    usual,
    write_days,
)

SOUND, POISONED = 0, 1  # of the last days; one of 14 held-out days leaves the recipe better than the base rate
RULES = replace(DEFAULT_RULES, quality_block_seconds=60.0)
LATER_DAYS = 12


class NewestRows(ClassifierMixin, BaseEstimator):
    """Logistic regression on the newest `rows` rows: a recipe that follows fast, sound data or not."""

    def __init__(self, rows=POISONED * ROWS_PER_DAY):
        self.rows = rows

    def fit(self, inputs, targets):
        self.model_ = LogisticRegression().fit(self._numbers(inputs)[-self.rows :], targets[-self.rows :])
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, inputs):
        return self.model_.predict_proba(self._numbers(inputs))

    @staticmethod
    def _numbers(inputs):
        return inputs.assign(kind=(inputs["kind"] == "a").astype(float)).to_numpy(dtype=float)


@pytest.fixture(scope="module")
def pipeline():
    return toy_pipeline()


@pytest.fixture(scope="module")
def plan(pipeline, tmp_path_factory):
    lake = tmp_path_factory.mktemp("lake")
    write_days(lake, 0, 3)  # a plan only pins versions of a lake
    return plan_training(pipeline, toy_labels(lake), day_of(TRAIN_DAYS + HELD_OUT_DAYS - 1))


def fits(plan, last_days):
    """The dataset, the fit that is compared, and the refit on all rows."""
    dataset = dataset_of(1, last_law=reversed_law if last_days else usual, last_days=last_days)
    compared = fit_recipe(plan, dataset, NewestRows()).estimator
    return dataset, compared, fit_recipe(plan, dataset.with_held_out(), compared).estimator


def trial(lake, champion, challenger):
    """The check of quality on a shadow trial over the days that follow, whose labels are sound."""
    rows = labelled_days(TRAIN_DAYS + HELD_OUT_DAYS, LATER_DAYS, seed=1)
    given, shadow = (model.predict_proba(rows[["kind", "x", "z"]])[:, 1] for model in (champion, challenger))
    requests = [
        Request(number, BEGAN + timedelta(seconds=5 * number), kind, 0.5, float(ours), float(theirs), int(label))
        for number, (kind, ours, theirs, label) in enumerate(
            zip(rows["kind"], given, shadow, rows["label"], strict=True)
        )
    ]
    log_shadow_trial(lake, requests)
    send_labels(lake, requests)
    return paired_quality(toy_pipeline(), lake, CHAMPION, CHALLENGER, BEGAN, RULES, BEGAN + timedelta(days=2))


def opened(pipeline):
    lenient = pipeline.model_copy(
        update={"retrain": pipeline.retrain.model_copy(update={"refit_worse_tolerated": 10.0})}
    )
    lenient._folder = pipeline.folder
    return lenient


def test_the_trial_aborts_a_broken_refit_of_a_sound_recipe_by_name(pipeline, plan, tmp_path):
    dataset, compared, refit = fits(plan, POISONED)
    against_base_rate = compare_with_baselines(pipeline, plan, dataset, compared, None).comparisons[0]
    assert not against_base_rate.blocks, against_base_rate.reason  # the recipe is sound
    assert compare_refit(pipeline, plan, dataset, compared, refit).blocks  # what normally refuses the refit
    assert not compare_refit(opened(pipeline), plan, dataset, compared, refit).blocks

    (state,) = trial(tmp_path, compared, refit)
    assert (state.check, state.outcome, state.votes) == (TrialCheck.QUALITY, Outcome.FAIL, True)


def test_the_same_trial_does_not_abort_the_refit_of_sound_days(pipeline, plan, tmp_path):
    _, compared, refit = fits(plan, SOUND)
    (state,) = trial(tmp_path, compared, refit)
    assert state.outcome is Outcome.INCONCLUSIVE
