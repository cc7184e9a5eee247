"""The search finds better parameters in bounded time, and the same ones every time."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from healing.errors import ConfigError
from tasks.config.retrain_section import Range, Search
from tasks.evaluation.clustered import DaySum
from tasks.training.inference import predict
from tasks.training.search import ScoredParameters, SearchData, _beats, search, time_folds

DAYS, ROWS_PER_DAY = 30, 40


def search_data(seed=0, noise=1.0):
    """One column of many carries information, so an unrestricted tree overfits and a small one does not."""
    generator = np.random.default_rng(seed)
    inputs = pd.DataFrame(generator.normal(size=(DAYS * ROWS_PER_DAY, 40)))
    targets = pd.Series(inputs[0] + noise * generator.normal(size=len(inputs)))
    days = pd.Series([date(2013, 1, 1) + timedelta(days=row // ROWS_PER_DAY) for row in range(len(inputs))])
    return SearchData(inputs, targets, days, lambda answers, truth: (answers - truth) ** 2, predict)


def overfitting():
    return DecisionTreeRegressor(random_state=0)


RULES = Search(parameters={"max_depth": (1, 2, 3, None), "min_samples_leaf": Range(low=1, high=50, scale="log")})


def test_better_parameters_are_found_and_found_again():
    first, second = (search(overfitting, search_data(), RULES, seed=7) for _ in range(2))
    assert first.parameters
    assert (first.parameters, first.scored) == (second.parameters, second.scored)
    assert not first.cut_short
    assert isinstance(first.parameters["min_samples_leaf"], int)


def test_fewer_combinations_get_more_rows_and_the_estimator_as_written_stays_to_the_end():
    shares = {}
    for each in search(overfitting, search_data(), RULES, seed=7).scored:
        shares.setdefault(round(each.share, 3), []).append(dict(each.parameters))
    assert [len(combinations) for combinations in shares.values()] == [9, 4]
    assert list(shares) == [0.333, 1.0]
    assert all({} in combinations for combinations in shares.values())


def test_parameters_that_are_no_better_replace_those_as_written_as_rarely_as_one_standard_error_allows():
    """About once in six times, over 1,000 pairs of losses without a difference."""
    generator = np.random.default_rng(0)

    def scored():
        return ScoredParameters({}, 1.0, tuple(DaySum(100, 100 * total) for total in generator.normal(0.5, 0.05, 14)))

    replaced = sum(_beats(scored(), scored()) for _ in range(1000))
    assert 100 < replaced < 220


def test_no_fit_starts_after_the_time_is_up():
    ticks = iter(range(100))
    rules = RULES.model_copy(update={"seconds_max": 4.0})
    found = search(overfitting, search_data(), rules, seed=7, clock=lambda: float(next(ticks)))
    assert found.cut_short
    assert len(found.scored) == 3
    assert found.parameters == {}  # no round was finished, so nothing is shown to be better


def test_a_parameter_can_be_the_resource():
    rules = Search(parameters={"min_samples_leaf": (1, 30)}, candidates_max=3, resource="max_leaf_nodes")
    found = search(lambda: DecisionTreeRegressor(max_leaf_nodes=50, random_state=0), search_data(), rules, seed=1)
    assert len(found.scored) == 3


def test_parameters_that_cannot_be_fitted_lose():
    rules = Search(parameters={"min_samples_leaf": (-1, -2)}, candidates_max=3)
    found = search(overfitting, search_data(), rules, seed=1)
    assert found.parameters == {}
    assert [each.loss for each in found.scored][1:] == [None, None]


@pytest.mark.parametrize(
    "rules", [{"parameters": {"depth": (1,)}}, {"parameters": {"max_depth": (1,)}, "resource": "n"}]
)
def test_a_parameter_that_the_estimator_does_not_have_is_named(rules):
    with pytest.raises(ConfigError, match=r"does not have; it has .*max_depth"):
        search(overfitting, search_data(), Search(**rules), seed=1)


def test_a_resource_that_is_not_a_number_is_refused():
    with pytest.raises(ConfigError, match="to be a whole number of the estimator"):
        search(overfitting, search_data(), RULES.model_copy(update={"resource": "max_depth"}), seed=1)


def test_scored_days_are_later_than_all_days_fitted_on():
    days = search_data().days
    for fitted, scored in time_folds(days):
        assert days.iloc[fitted].max() < days.iloc[scored].min()
