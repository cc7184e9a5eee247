"""The drift benchmark on a small synthetic year: corrupted columns and shuffled rows."""

from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks.year.reported_drift import count_reported, held_out_weeks, measure_power, shuffled_weeks
from tasks.config.monitor_section import Monitor

FIRST = date(2013, 1, 1)


class SyntheticYear:
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
    return SyntheticYear()


def test_a_year_without_drift_gives_few_false_alarms(world):
    held_out = count_reported(world, held_out_weeks(world, step_days=150))
    shuffled = count_reported(world, shuffled_weeks(world, seeds=5))
    assert (held_out.windows, shuffled.windows) == (21, 5)
    assert held_out.ours <= 2
    assert shuffled.ours <= 1


def test_a_held_out_week_is_not_part_of_its_reference(world):
    week = next(held_out_weeks(world, step_days=150))
    assert len(week.window) == 7 * 40
    assert not set(week.window["event_day"]) & set(week.reference["event_day"])


def test_power_grows_with_the_dose(world):
    power = measure_power(world, held_out_weeks(world, step_days=150)).figures("ours")
    assert power["power_numeric_0_schedule_share"] <= 0.1
    assert power["power_mean_1.0_schedule_share"] == 1.0
    assert power["power_missing_0.25_schedule_share"] == 1.0
    assert power["power_category_0.4_share"] == 1.0
