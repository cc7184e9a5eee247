"""The search finds what is there to find, in bounded time, and the same every time."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from healing.clustered import DaySum
from healing.errors import ConfigError
from tasks.config.retrain_section import Range, Search
from tasks.training.answers import predict
from tasks.training.search import Ground, Tried, _folds, _stands_out, search

DAYS, A_DAY = 30, 40


def ground(seed=0, noise=1.0):
    """One column of many says something: a heavy penalty helps, none does not."""
    generator = np.random.default_rng(seed)
    inputs = pd.DataFrame(generator.normal(size=(DAYS * A_DAY, 40)))
    targets = pd.Series(inputs[0] + noise * generator.normal(size=len(inputs)))
    days = pd.Series([date(2013, 1, 1) + timedelta(days=row // A_DAY) for row in range(len(inputs))])
    return Ground(inputs, targets, days, lambda answers, truth: (answers - truth) ** 2, predict)


def overfitting():
    return DecisionTreeRegressor(random_state=0)


RULES = Search(parameters={"max_depth": (1, 2, 3, None), "min_samples_leaf": Range(low=1, high=50, scale="log")})


def test_a_better_setting_is_found_and_found_again():
    first, second = (search(overfitting, ground(), RULES, seed=7) for _ in range(2))
    assert first.parameters
    assert (first.parameters, first.tried) == (second.parameters, second.tried)
    assert not first.cut_short
    assert isinstance(first.parameters["min_samples_leaf"], int)


def test_fewer_settings_get_more_rows_and_the_written_one_stays_to_the_end():
    shares = {}
    for each in search(overfitting, ground(), RULES, seed=7).tried:
        shares.setdefault(round(each.share, 3), []).append(dict(each.parameters))
    assert [len(settings) for settings in shares.values()] == [9, 4]
    assert list(shares) == [0.333, 1.0]
    assert all({} in settings for settings in shares.values())


def test_a_setting_that_is_no_better_replaces_the_written_one_as_rarely_as_one_standard_error_allows():
    """Once in six times for a single rival, over 1,000 pairs of losses without a difference."""
    generator = np.random.default_rng(0)

    def tried():
        return Tried({}, 1.0, tuple(DaySum(100, 100 * total) for total in generator.normal(0.5, 0.05, 14)))

    replaced = sum(_stands_out(tried(), tried()) for _ in range(1000))
    assert 100 < replaced < 220


def test_no_fit_begins_after_the_time_is_up():
    ticks = iter(range(100))
    rules = RULES.model_copy(update={"seconds_max": 4.0})
    found = search(overfitting, ground(), rules, seed=7, clock=lambda: float(next(ticks)))
    assert found.cut_short
    assert len(found.tried) == 3
    assert found.parameters == {}  # no round was finished, so nothing was shown to be better


def test_a_parameter_can_be_the_resource():
    rules = Search(parameters={"min_samples_leaf": (1, 30)}, candidates_max=3, resource="max_leaf_nodes")
    found = search(lambda: DecisionTreeRegressor(max_leaf_nodes=50, random_state=0), ground(), rules, seed=1)
    assert len(found.tried) == 3


def test_a_setting_that_cannot_be_fitted_loses():
    rules = Search(parameters={"min_samples_leaf": (-1, -2)}, candidates_max=3)
    found = search(overfitting, ground(), rules, seed=1)
    assert found.parameters == {}
    assert [each.loss for each in found.tried][1:] == [None, None]


@pytest.mark.parametrize(
    "rules", [{"parameters": {"depth": (1,)}}, {"parameters": {"max_depth": (1,)}, "resource": "n"}]
)
def test_a_parameter_that_there_is_not_is_named(rules):
    with pytest.raises(ConfigError, match=r"does not have; it has .*max_depth"):
        search(overfitting, ground(), Search(**rules), seed=1)


def test_a_resource_without_a_number_is_refused():
    with pytest.raises(ConfigError, match="whole number"):
        search(overfitting, ground(), RULES.model_copy(update={"resource": "max_depth"}), seed=1)


def test_test_days_are_later_than_all_days_learned_from():
    days = ground().days
    for learned, tested in _folds(days):
        assert days.iloc[learned].max() < days.iloc[tested].min()
