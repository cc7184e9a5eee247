"""Which earlier champion returns: in a recurring regime the one of that regime, in a stationary world hardly any."""

from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from releases.loader import LoadedModel
from tasks.training.comparison import ComparisonOutcome
from tasks.training.dataset import TrainingDataset
from tasks.training.earlier_champions import ALPHA, compare_earlier, rehearse
from tasks.training.inference import input_schema
from tests.toy import day_of, toy_pipeline

HELD_OUT_DAYS, ROWS_PER_DAY = 14, 60
LEARNED_UNTIL = day_of(40)
PLAN = SimpleNamespace(pipeline="toy", classes=(), is_class=True, threads=1)
DAY_SHOCK = 0.3  # standard deviation in log-odds: the rows of a day depend on each other


@dataclass
class Odds:
    """Predicts the probability whose log-odds are a linear function of both inputs."""

    x: float
    z: float = 0.0

    def predict(self, inputs):
        return 1 / (1 + np.exp(-(self.x * inputs["x"] + self.z * inputs["z"])))


class Fits(BaseEstimator):
    """A recipe whose fit predicts like `fitted`; it counts the rows that it learned last."""

    learned_rows = 0

    def __init__(self, fitted):
        self.fitted = fitted

    def fit(self, inputs, targets):
        Fits.learned_rows = len(inputs)
        return self

    def predict(self, inputs):
        return self.fitted.predict(inputs)


NO_RIVAL = Fits(Odds(0.0))


def rows(seed, slope):
    """Labelled rows whose log-odds are `slope * x`, with one shock per day."""
    generator = np.random.default_rng(seed)
    count = HELD_OUT_DAYS * ROWS_PER_DAY
    x, z = generator.normal(size=(2, count))
    shocks = np.repeat(generator.normal(0, DAY_SHOCK, HELD_OUT_DAYS), ROWS_PER_DAY)
    label = generator.random(count) < 1 / (1 + np.exp(-(slope * x + shocks)))
    days = [LEARNED_UNTIL + timedelta(days=1 + row // ROWS_PER_DAY) for row in range(count)]
    frame = pd.DataFrame({"id": [str(row) for row in range(count)], "asked_at": pd.Timestamp("2013-01-01", tz="UTC")})
    kinds = generator.choice(["a", "b"], count)
    return frame.assign(event_day=days, kind=kinds, x=x, z=z, label=label.astype("float64"))


def dataset(seed, slope=1.5):
    held_out = rows(seed, slope)
    return TrainingDataset(input_schema(held_out, "id"), held_out.iloc[:0], held_out)


def champion_of(data, estimator, *, digest="now", trained_until=LEARNED_UNTIL, excess=0.0, **changes):
    manifest = SimpleNamespace(
        input_schema=data.schema,
        output=None,
        version=digest,
        trained_until=trained_until.isoformat(),
        reference=SimpleNamespace(metrics={"holdout_excess_log_loss": excess}),
    )
    return LoadedModel(digest, SimpleNamespace(**{**vars(manifest), **changes}), estimator)


def earlier_of(data, *estimators, **changes):
    return {str(place): champion_of(data, each, digest=str(place), **changes) for place, each in enumerate(estimators)}


def returning(data, champion, earlier, pipeline=None):
    found = compare_earlier(pipeline or toy_pipeline(), PLAN, data, champion, earlier, NO_RIVAL)
    return [each.digest for each in found if each.returns]


def strict():
    """The toy pipeline that tolerates nothing, so that equally good models are at the edge of the null hypothesis."""
    toy = toy_pipeline()
    changed = toy.model_copy(update={"retrain": toy.retrain.model_copy(update={"worse_tolerated": 0.0})})
    changed._folder = toy.folder
    return changed


def test_in_a_stationary_world_the_stated_share_of_comparisons_returns_at_most():
    """Champion and earlier champions are equally good, and any new model is worse."""
    seeds, wrong = 30, 0
    for seed in range(seeds):
        data = dataset(seed)
        earlier = earlier_of(data, *[Odds(1.5, -0.3 - 0.001 * place) for place in range(5)])
        wrong += bool(returning(data, champion_of(data, Odds(1.5, 0.3)), earlier, strict()))
    assert wrong <= ALPHA * seeds + 3 * np.sqrt(ALPHA * seeds)


def test_in_a_recurring_regime_its_champion_returns():
    right = 0
    for seed in range(15):
        data = dataset(seed, slope=-1.5)
        earlier = earlier_of(data, Odds(1.4), Odds(-1.4), Odds(0.2), Odds(1.6), Odds(1.5, 0.5))
        right += returning(data, champion_of(data, Odds(1.5)), earlier) == ["1"]
    assert right == 15


def test_of_several_that_win_the_one_with_the_largest_gain_returns():
    data = dataset(1, slope=-1.5)
    earlier = earlier_of(data, Odds(-1.0), Odds(-1.5), Odds(-2.2))
    found = compare_earlier(toy_pipeline(), PLAN, data, champion_of(data, Odds(1.5)), earlier, NO_RIVAL)
    assert [each.comparison.outcome for each in found] == [ComparisonOutcome.WIN] * 3
    assert [each.returns for each in found] == [False, True, False]


def test_one_that_wins_in_a_regime_that_is_new_to_it_stays_out():
    """It is less wrong than the champion, and far worse than it was: neither has learned this regime."""
    data = dataset(1, slope=-3.0)
    [found] = compare_earlier(
        toy_pipeline(), PLAN, data, champion_of(data, Odds(3.0)), earlier_of(data, Odds(1.5), excess=0.01), NO_RIVAL
    )
    assert found.comparison.outcome is ComparisonOutcome.WIN
    assert not found.returns
    assert "the regime is another one" in found.reason


def test_one_that_is_worse_in_a_segment_stays_out():
    class WorseInA(Odds):
        def predict(self, inputs):
            right = super().predict(inputs)
            return right.where(inputs["kind"] == "b", 1 - right)

    class RightInA(Odds):
        def predict(self, inputs):
            right = super().predict(inputs)
            return right.where(inputs["kind"] == "a", 1 - right)

    toy = toy_pipeline()
    segmented = toy.model_copy(update={"segments": ("kind",)})
    segmented._folder = toy.folder
    data = dataset(1)
    champion, earlier = champion_of(data, RightInA(2.5)), earlier_of(data, WorseInA(0.6), excess=1.0)
    [found] = compare_earlier(segmented, PLAN, data, champion, earlier, NO_RIVAL)
    assert found.comparison.outcome is ComparisonOutcome.WIN
    assert (found.returns, found.why_not) == (False, "worse than the champion in kind=a")


@pytest.mark.parametrize(
    "changes",
    [
        {"trained_until": LEARNED_UNTIL + timedelta(days=1)},
        {"input_schema": None},
        {"output": "value"},
    ],
    ids=["it has learned a held-out row", "it has other inputs", "it has another output"],
)
def test_what_cannot_be_compared_is_left_out(changes):
    data = dataset(1, slope=-1.5)
    assert (
        compare_earlier(
            toy_pipeline(), PLAN, data, champion_of(data, Odds(1.5)), earlier_of(data, Odds(-1.5), **changes), NO_RIVAL
        )
        == ()
    )


def test_one_that_raises_is_left_out():
    class Raises:
        def predict(self, inputs):
            raise ValueError("unknown category")

    data = dataset(1, slope=-1.5)
    assert returning(data, champion_of(data, Odds(1.5)), earlier_of(data, Raises(), Odds(-1.5))) == ["1"]


def test_too_few_days_decide_nothing():
    data = dataset(1, slope=-1.5)
    few = data.held_out[data.held_out["event_day"] <= LEARNED_UNTIL + timedelta(days=6)]
    data = replace(data, held_out=few.reset_index(drop=True))
    [found] = compare_earlier(
        toy_pipeline(), PLAN, data, champion_of(data, Odds(1.5)), earlier_of(data, Odds(-1.5)), NO_RIVAL
    )
    assert (found.comparison.outcome, found.returns) == (ComparisonOutcome.INCONCLUSIVE, False)


def test_one_that_a_new_model_would_beat_stays_out():
    """After half of the days of a new regime, a new model knows more of it than a model of a similar one."""
    data = dataset(1, slope=-1.5)
    champion, earlier = champion_of(data, Odds(1.5)), earlier_of(data, Odds(-0.8), excess=0.1)
    [found] = compare_earlier(toy_pipeline(), PLAN, data, champion, earlier, Fits(Odds(-1.5)))
    assert (found.comparison.outcome, found.returns) == (ComparisonOutcome.WIN, False)
    assert "a new model is as good" in found.reason


def test_the_new_model_has_learned_the_older_half_of_the_held_out_days_and_is_compared_on_the_newer_half():
    data, recipe = dataset(1), Fits(Odds(0.0))
    found = rehearse(PLAN, data, champion_of(data, Odds(1.5)), recipe)
    assert Fits.learned_rows == HELD_OUT_DAYS // 2 * ROWS_PER_DAY
    assert (found.rows, found.days) == (HELD_OUT_DAYS // 2 * ROWS_PER_DAY, HELD_OUT_DAYS // 2)
    assert found.gain > 0.1


def test_without_a_winner_nothing_is_fitted():
    data = dataset(1)
    Fits.learned_rows = 0
    assert returning(data, champion_of(data, Odds(1.5)), earlier_of(data, Odds(-1.5))) == []
    assert Fits.learned_rows == 0
