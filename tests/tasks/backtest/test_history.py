"""The history in memory returns what the flows read from the lake."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from tasks.backtest.history import History
from tasks.evaluation.labels import day_end, join_labels, read_features
from tasks.lake.columns import LABEL
from tasks.training.dataset import read_dataset
from tasks.training.plan import plan_training
from tests.toy import ROWS_PER_DAY, day_of, toy_labels, toy_pipeline, write_days

DAYS = 60


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = tmp_path_factory.mktemp("lake")
    write_days(lake, 0, DAYS)
    return lake


@pytest.fixture(scope="module")
def history(lake):
    return History.read(toy_pipeline(), lake)


@pytest.mark.parametrize("hours", [0, 16, 17, 24])
def test_labels_are_those_that_the_lake_knew_at_the_time(lake, history, hours):
    source = toy_labels(lake)
    as_of = day_end(day_of(9), source.zone) + timedelta(hours=hours, minutes=1)
    rows = read_features(lake, source.key, day_of(5), day_of(12))
    pd.testing.assert_frame_equal(history.features(day_of(5), day_of(12)), rows)
    pd.testing.assert_frame_equal(history.with_labels(rows, as_of), join_labels(rows, source, as_of))


def test_the_newest_of_several_labels_counts(history):
    early = history.labels.assign(
        late=1 - history.labels["late"], known_at=history.labels["known_at"] + pd.Timedelta("1D")
    )
    labels = pd.concat([history.labels, early]).sort_values("known_at")
    revised = replace(history, labels=labels)
    rows, first_end = history.features(day_of(0), day_of(0)), day_end(day_of(0), history.source.zone)
    at_first, later = (revised.with_labels(rows, first_end + timedelta(days=n))[LABEL] for n in (0, 1))
    assert (at_first == history.with_labels(rows, None)[LABEL]).all()
    assert (later == 1 - at_first).all()


def test_plans_and_datasets_are_those_of_a_retrain(lake, history):
    plan = replace(plan_training(toy_pipeline(), toy_labels(lake), day_of(50)), search=None)
    assert history.plan_at(day_of(50)) == plan
    expected, found = read_dataset(plan, toy_labels(lake)), history.dataset(plan)
    pd.testing.assert_frame_equal(found.train, expected.train)
    pd.testing.assert_frame_equal(found.held_out, expected.held_out)


def test_a_sample_is_scored_where_there_are_more_rows(history):
    sampled = replace(history, scored_rows_max=100)
    assert (len(history.scored), history.scored_share) == (DAYS * ROWS_PER_DAY, 1.0)
    assert len(sampled.scored) == 100
    assert sampled.scored_share == pytest.approx(100 / (DAYS * ROWS_PER_DAY))
    assert (sampled.scored_days[1:] >= sampled.scored_days[:-1]).all()
