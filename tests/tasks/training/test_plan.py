from datetime import date

import pytest

from healing.errors import StoreUnavailable
from tasks.config.retrain_section import Search
from tasks.training.plan import plan_training, training_days
from tests.toy import day_of, toy_labels, toy_pipeline, write_days


def plan_of(lake, until=29):
    return plan_training(toy_pipeline(), toy_labels(lake), day_of(until))


def test_equal_arguments_give_equal_keys_and_new_data_another_key(tmp_path):
    write_days(tmp_path, 0, 30)
    first = plan_of(tmp_path)
    assert plan_of(tmp_path).key == first.key
    write_days(tmp_path, 30, 2)
    assert plan_of(tmp_path).key != first.key


def test_without_a_day_the_last_day_with_features_is_used(tmp_path):
    write_days(tmp_path, 0, 30)
    assert plan_training(toy_pipeline(), toy_labels(tmp_path)).until == day_of(29)


def test_an_empty_lake_raises_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(StoreUnavailable, match="ingest a day first"):
        plan_of(tmp_path)


def test_training_days_end_before_the_held_out_ones():
    assert training_days(date(2013, 2, 28), lookback_days=45, holdout_days=14) == (date(2013, 1, 1), date(2013, 2, 14))


def test_a_search_without_a_latency_budget_has_the_key_that_plans_had_before():
    search = Search(parameters={"depth": (1, None)})
    expected = "parameters={'depth': (1, None)} candidates_max=9 seconds_max=60.0 resource='rows' share_max=1.0"
    assert str(search) == expected
    assert str(search.model_copy(update={"latency_ms_max": 5.0})) == f"{expected} latency_ms_max=5.0"
