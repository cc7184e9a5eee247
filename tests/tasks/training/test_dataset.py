from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from healing.errors import TrainingRefused
from tasks.evaluation.labels import join_labels, read_features
from tasks.training.dataset import dataset_of, immature_days, read_dataset
from tasks.training.plan import plan_training
from tests.toy import ROWS_PER_DAY, day_of, toy_labels, toy_pipeline, write_days


@pytest.fixture
def lake(tmp_path):
    write_days(tmp_path, 0, 30)
    return tmp_path


def plan_of(lake, until=29):
    return plan_training(toy_pipeline(), toy_labels(lake), day_of(until))


def test_training_rows_are_from_the_days_before_the_held_out_ones(lake):
    dataset = read_dataset(plan_of(lake), toy_labels(lake))
    assert (min(dataset.train["event_day"]), max(dataset.train["event_day"])) == (day_of(0), day_of(15))
    assert (min(dataset.held_out["event_day"]), max(dataset.held_out["event_day"])) == (day_of(16), day_of(29))
    assert len(dataset.train) == 16 * ROWS_PER_DAY


def test_new_data_do_not_change_the_dataset_of_an_earlier_plan(lake):
    plan = plan_of(lake)
    before = read_dataset(plan, toy_labels(lake))
    write_days(lake, 30, 2)
    pd.testing.assert_frame_equal(read_dataset(plan, toy_labels(lake)).train, before.train)


def test_a_label_that_was_not_known_in_time_is_left_out(lake):
    plan = replace(plan_of(lake), as_of=datetime(2013, 1, 30, 12, tzinfo=UTC))
    dataset = read_dataset(plan, toy_labels(lake))
    assert max(dataset.held_out["event_day"]) == day_of(28)


def test_too_few_labels_are_refused(lake):
    with pytest.raises(TrainingRefused, match="5000 labelled rows"):
        read_dataset(replace(plan_of(lake), rows_min=5000), toy_labels(lake))


def test_held_out_days_without_labels_are_refused(lake):
    write_days(lake, 30, 14, labels=False)
    with pytest.raises(TrainingRefused, match="wait for their labels"):
        read_dataset(plan_of(lake, until=43), toy_labels(lake))


def test_the_newest_days_are_left_out_while_many_of_their_labels_are_missing(tmp_path):
    write_days(tmp_path, 0, 40)
    write_days(tmp_path, 40, 3, labels=False)
    dataset = read_dataset(plan_of(tmp_path, until=42), toy_labels(tmp_path))
    assert dataset.immature == (day_of(40), day_of(41), day_of(42))
    assert max(dataset.held_out["event_day"]) == day_of(39)


def labels_of_one_kind(lake, first, days):
    """Rows of which only those that were late have a label yet: failures are known first."""
    sound = lake.parent / "sound"
    write_days(sound, first, days)
    write_days(lake, first, days, labels=False)
    outcomes = DeltaTable(sound / "outcomes").to_pyarrow_table()
    write_deltalake(lake / "outcomes", outcomes.filter(pc.equal(outcomes["late"], 1)), mode="append")


def test_labels_that_are_biased_or_late_make_a_training_wait_and_not_guess(tmp_path):
    """Where only the labels of one kind have arrived, a model of these days would predict that kind for every row."""
    lake = tmp_path / "lake"
    write_days(lake, 0, 40)
    labels_of_one_kind(lake, 40, 3)
    dataset = read_dataset(plan_of(lake, until=42), toy_labels(lake))
    assert dataset.immature == (day_of(40), day_of(41), day_of(42))
    assert dataset.held_out["label"].mean() == pytest.approx(dataset.train["label"].mean(), abs=0.05)

    labels_of_one_kind(lake, 43, 11)  # now on all held-out days
    with pytest.raises(TrainingRefused, match="wait for their labels"):
        read_dataset(plan_of(lake, until=53), toy_labels(lake))


def test_an_older_day_with_missing_labels_is_used():
    """Flights that were cancelled in a blizzard never land; the day's other flights are still used."""
    joined = pd.DataFrame({"event_day": np.repeat([day_of(n) for n in range(5)], 10), "label": 1.0})
    joined.loc[12:19, "label"] = np.nan
    assert immature_days(joined, 0.8) == ()
    joined.loc[45:49, "label"] = np.nan
    assert immature_days(joined, 0.8) == (day_of(4),)
    assert immature_days(joined, 0.0) == ()


def sampled_plan(lake, rows_max=400, holdout_rows_max=300):
    return replace(plan_of(lake), rows_max=rows_max, holdout_rows_max=holdout_rows_max, rows_min=100)


def test_a_sample_has_each_day_in_its_share_and_says_how_large_it_is(lake):
    dataset, whole = read_dataset(sampled_plan(lake), toy_labels(lake)), read_dataset(plan_of(lake), toy_labels(lake))
    assert (len(dataset.train), len(dataset.held_out)) == (400, 300)
    assert dataset.train.groupby("event_day").size().tolist() == [25] * 16
    assert dataset.sample == "400 of 1,920 (21%) training rows, 300 of 1,680 (18%) held-out rows"
    assert whole.sample == ""
    among = whole.train[whole.train["id"].isin(dataset.train["id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(dataset.train, among)
    assert abs(dataset.train["label"].mean() - whole.train["label"].mean()) < 0.03


def test_a_sample_of_rows_in_memory_is_that_of_the_lake(lake):
    plan, source = sampled_plan(lake), toy_labels(lake)
    features = read_features(lake, source.key, plan.train_from, plan.until, plan.features_version)
    here = dataset_of(plan, join_labels(features, source, plan.as_of, plan.labels_version), source.key)
    there = read_dataset(plan, source)
    pd.testing.assert_frame_equal(there.train, here.train)
    pd.testing.assert_frame_equal(there.held_out, here.held_out)
    assert there.schema == here.schema


def test_a_refit_on_a_sample_does_not_weigh_the_newest_rows_more(lake):
    dataset = read_dataset(sampled_plan(lake, holdout_rows_max=10_000), toy_labels(lake))
    assert len(dataset.held_out) == 14 * ROWS_PER_DAY
    refitted = dataset.with_held_out()
    assert refitted.train.groupby("event_day").size().tolist() == [25] * 30
    assert str(refitted.train_sample) == "750 of 3,600 (21%)"


def test_plans_with_samples_of_other_sizes_are_other_plans(lake):
    assert sampled_plan(lake, rows_max=400).key != sampled_plan(lake, rows_max=401).key
