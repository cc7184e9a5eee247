"""The refit agrees with the compared fit unless the newest labels contradict all earlier ones."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.lake.columns import BATCH_DAY, LABEL
from tasks.training.comparison import ComparisonOutcome
from tasks.training.dataset import TrainingDataset
from tasks.training.fit import fit_recipe
from tasks.training.held_out_answers import ANSWERS_FILE, ROWS_MAX, held_out_answers, read_answers
from tasks.training.inference import input_schema
from tasks.training.plan import plan_training
from tasks.training.refit import COMPARED_FIT, compare_refit, refit_plan
from tests.toy import day_of, labelled_days, reversed_law, toy_labels, toy_pipeline, usual, write_days

SEEDS = 12
TRAIN_DAYS, HELD_OUT_DAYS = 28, 14


@pytest.fixture(scope="module")
def pipeline():
    return toy_pipeline()


@pytest.fixture(scope="module")
def plan(pipeline, tmp_path_factory):
    lake = tmp_path_factory.mktemp("lake")
    write_days(lake, 0, 3)  # a plan only pins versions of a lake; the rows of these tests are made without one
    return plan_training(pipeline, toy_labels(lake), day_of(TRAIN_DAYS + HELD_OUT_DAYS - 1))


def dataset_of(seed, *, last_law=usual, last_days=0):
    train = labelled_days(0, TRAIN_DAYS, seed=seed)
    sound = labelled_days(TRAIN_DAYS, HELD_OUT_DAYS - last_days, seed=seed)
    held_out = sound
    if last_days:
        import pandas as pd

        newest = labelled_days(TRAIN_DAYS + HELD_OUT_DAYS - last_days, last_days, law=last_law, seed=seed)
        held_out = pd.concat([sound, newest], ignore_index=True)
    return TrainingDataset(input_schema(train, "id"), train, held_out)


def agreement(pipeline, plan, dataset):
    compared = fit_recipe(plan, dataset, pipeline.resolve(plan.estimator)()).estimator
    refit = fit_recipe(plan, dataset.with_held_out(), compared).estimator
    return compare_refit(pipeline, plan, dataset, compared, refit)


def test_over_many_seeds_no_sound_refit_is_blocked_and_every_poisoned_one_is(pipeline, plan):
    """Poisoned: the labels of the last nine days are of the opposite kind."""
    sound = [agreement(pipeline, plan, dataset_of(seed)) for seed in range(SEEDS)]
    assert [found.reason for found in sound if found.blocks] == []
    poisoned = [
        agreement(pipeline, plan, dataset_of(seed, last_law=reversed_law, last_days=9)) for seed in range(SEEDS)
    ]
    assert {(found.against, found.outcome) for found in poisoned} == {(COMPARED_FIT, ComparisonOutcome.WORSE)}


def test_without_the_guard_the_poisoned_refit_would_pass(pipeline, plan):
    lenient = pipeline.model_copy(
        update={"retrain": pipeline.retrain.model_copy(update={"refit_worse_tolerated": 10.0})}
    )
    lenient._folder = pipeline.folder
    assert not agreement(lenient, plan, dataset_of(1, last_law=reversed_law, last_days=9)).blocks


def test_a_refit_that_raises_on_its_own_rows_is_blocked(pipeline, plan):
    class Raising:
        def predict(self, _):
            raise ValueError("no such category")

    dataset = dataset_of(0)
    compared = fit_recipe(plan, dataset, pipeline.resolve(plan.estimator)()).estimator
    found = compare_refit(pipeline, plan, dataset, compared, Raising())
    assert (found.outcome, found.blocks) == (ComparisonOutcome.NOT_BETTER, True)


def test_the_plan_of_a_refit_ends_with_the_last_day_that_has_mature_labels(plan):
    dataset = dataset_of(0)
    shorter = replace(dataset, held_out=dataset.held_out[dataset.held_out[BATCH_DAY] < day_of(40)])
    again = refit_plan(plan, shorter)
    assert (again.train_until, again.until, again.search) == (day_of(39), plan.until, None)
    assert again.key != plan.key == replace(again, refit=False, train_until=plan.train_until, search=plan.search).key


def test_a_refit_learns_all_rows_and_keeps_the_rows_of_the_comparison(plan):
    dataset = dataset_of(0)
    whole = dataset.with_held_out()
    assert len(whole.train) == len(dataset.train) + len(dataset.held_out)
    assert whole.held_out is dataset.held_out


def test_answers_of_held_out_rows_are_those_of_the_compared_fit(pipeline, plan, tmp_path):
    dataset = dataset_of(0)
    compared = fit_recipe(plan, dataset, pipeline.resolve(plan.estimator)()).estimator
    content = held_out_answers(plan, dataset, compared)
    assert content == held_out_answers(plan, dataset, compared)
    (tmp_path / ANSWERS_FILE).write_bytes(content)
    answers = read_answers(tmp_path / ANSWERS_FILE)
    assert list(answers["id"]) == list(dataset.held_out["id"])
    expected = compared.predict_proba(dataset.held_out_inputs)[:, 1]
    assert np.allclose(answers["prediction"], expected)


def test_answers_are_bounded(pipeline, plan, monkeypatch, tmp_path):
    monkeypatch.setattr("tasks.training.held_out_answers.ROWS_MAX", 100)
    assert ROWS_MAX == 20_000
    dataset = dataset_of(0)
    compared = fit_recipe(plan, dataset, pipeline.resolve(plan.estimator)()).estimator
    (tmp_path / ANSWERS_FILE).write_bytes(held_out_answers(plan, dataset, compared))
    assert len(read_answers(tmp_path / ANSWERS_FILE)) == 100
    assert dataset.held_out[LABEL].notna().all()
