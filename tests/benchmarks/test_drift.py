"""What the drift benchmark counts, on a small made-up year: spoiled columns, dealt rows, policies' promotions."""

from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks.year.alarms import count_alarms, held_out_weeks, measure_power, shuffled_weeks
from benchmarks.year.replay import Life, answers, worse_afterwards
from tasks.config.monitor_section import Monitor

FIRST = date(2013, 1, 1)


class MadeUpYear:
    """Forty flights a day with one number and one category that never drift."""

    def __init__(self):
        self.kinds = {"distance": "numeric", "carrier": "category"}
        self.pipeline = SimpleNamespace(monitor=Monitor(rows_min=100))
        generator = np.random.default_rng(2013)
        days = [FIRST + timedelta(days=day) for day in range(365) for _ in range(40)]
        self.landed = pd.DataFrame(
            {
                "event_day": days,
                "distance": generator.normal(size=len(days)),
                "carrier": generator.choice(["AA", "UA"], len(days)),
                "label": (generator.random(len(days)) < 0.3).astype(float),
            }
        )

    def rows(self, since, until):
        return self.landed[(self.landed["event_day"] >= since) & (self.landed["event_day"] <= until)]


@pytest.fixture(scope="module")
def world():
    return MadeUpYear()


class Always:
    """A model that answers one probability."""

    def __init__(self, probability):
        self.probability = probability

    def predict(self, rows):
        return np.full(len(rows), self.probability)


def test_a_year_that_never_drifts_raises_few_alarms_of_ours(world):
    held_out = count_alarms(world, held_out_weeks(world, step_days=150))
    dealt = count_alarms(world, shuffled_weeks(world, seeds=5))
    assert (held_out.windows, dealt.windows) == (21, 5)
    assert held_out.ours <= 2
    assert dealt.ours <= 1


def test_a_held_out_week_is_not_among_the_weeks_it_is_held_against(world):
    week = next(held_out_weeks(world, step_days=150))
    assert len(week.window) == 7 * 40
    assert not set(week.window["event_day"]) & set(week.reference["event_day"])


def test_power_grows_with_the_dose_and_is_small_without(world):
    power = measure_power(world, held_out_weeks(world, step_days=150)).figures("ours")
    assert power["power_numeric_0_schedule_share"] <= 0.1
    assert power["power_mean_1.0_schedule_share"] == 1.0
    assert power["power_missing_0.25_schedule_share"] == 1.0
    assert power["power_category_0.4_share"] == 1.0


def test_a_promotion_is_wrong_when_its_model_loses_on_the_next_fortnight(world):
    start, later = date(2013, 3, 1), date(2013, 5, 1)
    down, up = (Life([(start, Always(a)), (later, Always(b))]) for a, b in ((0.3, 0.9), (0.9, 0.3)))
    assert worse_afterwards(world, down) == 1
    assert worse_afterwards(world, up) == 0


def test_every_flight_is_answered_by_whoever_served_on_its_day(world):
    life = Life([(date(2013, 3, 1), Always(0.1)), (date(2013, 3, 5), Always(0.2))])
    rows = answers(world, life, date(2013, 3, 10))
    told = rows.groupby("event_day")["prediction"].mean()
    assert told[date(2013, 3, 4)] == pytest.approx(0.1)
    assert told[date(2013, 3, 5)] == pytest.approx(0.2)
    assert len(rows) == 10 * 40
