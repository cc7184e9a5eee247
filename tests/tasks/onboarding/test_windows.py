from datetime import date, timedelta

import numpy as np
import pytest

from healing.errors import UsageError
from tasks.onboarding.windows import detected_loss, guess_windows

FIRST = date(2024, 1, 1)


def days(*indexes, rows=10):
    return [FIRST + timedelta(days=index) for index in indexes for _ in range(rows)]


def test_daily_rows_get_14_held_out_days_and_windows_of_a_week():
    found = guess_windows(days(*range(100), rows=200), "at")
    assert (found.holdout_days, found.lookback_days, found.window_days) == (14, 86, 7)
    assert (found.rows_per_day_min, found.compare_rows_min, found.train_rows_min) == (200, 700, 5000)


def test_windows_contain_seven_days_with_rows_if_some_days_have_none():
    found = guess_windows(days(*range(0, 210, 7)), "at")
    assert found.holdout_days >= 43
    assert found.window_days == 48
    assert found.rows_per_day_min == 0


@pytest.mark.parametrize(
    ("indexes", "message"),
    [
        ([0], "found them all on 2024-01-01"),
        (range(5), "on 5 days from"),
        ([*range(12), -20_000], "if one of them is wrong"),
    ],
)
def test_too_few_days_for_a_comparison_are_refused_in_one_line(indexes, message):
    with pytest.raises(UsageError, match=message):
        guess_windows(days(*indexes), "at")


def test_windows_of_sparse_rows_have_enough_rows_for_their_tests():
    found = guess_windows(days(*range(18_159), rows=1), "at")
    assert (found.held_out_rows, round(found.detected_loss, 3)) == (1_200, 0.02)
    assert found.train_rows == 18_159 - 1_200
    assert (found.window_rows, found.compare_rows_min) == (182, 91)
    assert (found.quality_days, found.quality_rows) == (365, 365)


def test_each_window_of_a_short_file_gets_its_share_of_the_rows():
    found = guess_windows(days(*range(0, 3_640, 7), rows=1), "at")
    assert (found.train_rows, found.held_out_rows, found.window_rows) == (390, 130, 26)
    assert found.train_from <= FIRST + timedelta(days=7)


def test_weekly_rows_are_judged_after_half_a_year_and_after_a_year_of_labels():
    """A window as long as the held-out days, 904, would judge a model for the first time after two and a half years."""
    found = guess_windows(days(*range(0, 3_640, 7), rows=1), "at")
    assert (found.window_days, found.quality_days) == (182, 365)
    assert (found.quality_rows, found.compare_rows_min) == (52, 13)
    assert found.reference_days == 8 * 182
    assert found.detected_increase == pytest.approx(0.097, abs=0.001)
    assert found.detected_increase > found.detected_loss


def test_monthly_rows_get_windows_with_enough_rows_though_they_are_long():
    found = guess_windows(days(*range(0, 30 * 240, 30), rows=1), "at")
    assert (found.window_rows, found.quality_rows) == (25, 30)


def test_dense_rows_are_judged_every_day():
    found = guess_windows(days(*range(30), rows=24_000), "at")
    assert (found.window_days, found.window_rows, found.reference_days) == (1, 24_000, 28)
    assert found.unnoticed_shift(10) == 0.1


@pytest.mark.parametrize("rows", [1, 40, 1_900])
def test_a_day_with_few_rows_is_no_window_of_its_own(rows):
    assert guess_windows(days(*range(60), rows=rows), "at").window_days >= 7


def test_training_rows_are_bounded_where_many_arrive():
    found = guess_windows(days(*range(90), rows=11_000), "at")
    assert (found.lookback_days, found.train_rows) == (28, 28 * 11_000)


def test_the_detected_loss_is_detected_in_four_of_five_samples():
    rng, rows = np.random.default_rng(5), 1_200
    losses = rng.normal(detected_loss(rows), 0.28, (2_000, rows))
    lower = losses.mean(axis=1) - 1.645 * losses.std(axis=1) / rows**0.5
    assert (lower > 0).mean() == pytest.approx(0.8, abs=0.03)


def test_a_rare_class_gets_windows_with_enough_of_its_rows_and_smaller_tolerances():
    """One row in 100: the usual 14 held-out days would have 14 of them."""
    usual, rare = (guess_windows(days(*range(800), rows=100), "at", share) for share in (0.5, 0.01))
    assert (usual.holdout_days, rare.holdout_days) == (14, 100)
    assert (usual.train_rows, rare.train_rows) == (36_500, 70_000)
    assert usual.loss_scale == 1.0
    assert rare.loss_scale == pytest.approx(0.0808, abs=0.0001)
    assert detected_loss(100_000, 0.001) < detected_loss(100_000) / 10


def test_of_a_short_file_a_rare_class_gets_a_share():
    found = guess_windows(days(*range(100), rows=100), "at", 0.02)
    assert (found.holdout_days, found.lookback_days) == (25, 75)


def test_samples_are_large_enough_for_a_rare_class():
    usual, rare = (guess_windows(days(*range(800), rows=100), "at", share) for share in (0.5, 0.001))
    assert (usual.rows_max, usual.holdout_rows_max) == (200_000, 100_000)
    assert (rare.rows_max, rare.holdout_rows_max) == (1_000_000, 100_000)


def test_a_shift_below_the_stated_one_is_found_in_fewer_than_four_of_five_windows():
    """A one-sided test of the mean with a known variance, which no test of a whole distribution surpasses here."""
    windows = guess_windows(days(*range(100), rows=5), "at")
    rng, rows = np.random.default_rng(5), windows.window_rows
    shift = windows.unnoticed_shift(10)
    means = rng.normal(0.9 * shift, 1.0, (2_000, rows)).mean(axis=1)
    assert 0.6 < (means * rows**0.5 > 2.878).mean() < 0.8  # the normal quantile at 0.02 / 10
