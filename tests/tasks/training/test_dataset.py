from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from healing.errors import TrainingRefused
from tasks.training.dataset import immature_days, read_dataset
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


def test_an_older_day_with_missing_labels_is_used():
    """Flights that were cancelled in a blizzard never land; the day's other flights are still used."""
    joined = pd.DataFrame({"event_day": np.repeat([day_of(n) for n in range(5)], 10), "label": 1.0})
    joined.loc[12:19, "label"] = np.nan
    assert immature_days(joined, 0.8) == ()
    joined.loc[45:49, "label"] = np.nan
    assert immature_days(joined, 0.8) == (day_of(4),)
    assert immature_days(joined, 0.0) == ()
