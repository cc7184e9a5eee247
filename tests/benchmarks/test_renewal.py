"""The streams of the renewal benchmark, and what it makes of the areas."""

import pytest

from benchmarks.drifting.streams import DAYS, FIRST, ROWS_PER_DAY, data_set, generators
from benchmarks.drifting.world import FIRST_SERVED, history_of
from benchmarks.renewal import OTHERS, RIVALS, _result
from tasks.backtest.fits import FitKey, FitKind, fit


@pytest.fixture(scope="module")
def made():
    return {name: make() for name, make in generators(1).items()}


def test_each_generator_fills_all_days_and_has_two_classes(made):
    for stream in made.values():
        assert list(stream.rows.groupby("event_day").size()) == [ROWS_PER_DAY] * DAYS
        assert set(stream.rows["outcome"]) == {0.0, 1.0}


def test_a_generator_repeats_by_its_seed(made):
    assert generators(1)["sea_recurring"]().rows.equals(made["sea_recurring"].rows)
    assert not generators(2)["sea_recurring"]().rows.equals(made["sea_recurring"].rows)


def test_a_regime_comes_back(made):
    """SEA compares the sum of two inputs with a threshold that is the regime's."""
    rows = made["sea_recurring"].rows
    days = (rows["event_day"].map(lambda day: (day - FIRST).days)) // 28
    between = rows[(rows["x0"] + rows["x1"]).between(7.2, 8.8)]  # regime 2 says one class, regime 3 the other
    shares = [float(between[days[between.index] == number]["outcome"].mean()) for number in range(4)]
    assert abs(shares[0] - shares[2]) < 0.2
    assert abs(shares[1] - shares[3]) < 0.2
    assert abs(shares[0] - shares[1]) > 0.5


def test_a_stream_is_a_history_that_can_be_trained_on(made):
    history = history_of(made["hyperplane_gradual"])
    day = FIRST.fromordinal(FIRST.toordinal() + FIRST_SERVED - 1)
    found = fit(history, FitKey(FitKind.WHOLE, day))
    assert found.model.manifest.trained_until == day.isoformat()


def test_a_missing_data_set_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("benchmarks.drifting.streams.SHARED", tmp_path)
    with pytest.raises(FileNotFoundError, match="car_loan"):
        data_set("car_loan", "repaid")


def test_the_result_has_the_mean_over_seeds_and_one_goal_per_rival():
    names = ("ours_at_price", *OTHERS, "best_schedule", *RIVALS)
    result = _result({"sea": {name: [1.0, 1.2] if name == "ours_at_price" else [1.1, 1.1] for name in names}})
    assert result.figures["sea_over_optimum"] == pytest.approx(1.1)
    assert result.figures["sea_over_optimum_highest"] == 1.2
    assert len(result.goals) == 1 + len(RIVALS) + 1
    assert result.missed() == []
