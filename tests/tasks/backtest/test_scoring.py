"""Losses and wrong promotions of policy runs whose models always predict one probability."""

from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tasks.backtest.fits import FitKey, FitKind
from tasks.backtest.policies import Period, PolicyRun, Served
from tasks.backtest.scoring import Scoring
from tasks.config.monitor_section import Monitor
from tasks.evaluation.losses import LogLoss

START, LAST = date(2013, 2, 28), date(2013, 6, 30)
ROWS_PER_DAY = 40


class ConstantFits:
    """Fits that always predict one probability, in the order of their days."""

    def __init__(self, *probabilities, scored_share=1.0):
        days = [START + timedelta(days=1 + n // ROWS_PER_DAY) for n in range(ROWS_PER_DAY * (LAST - START).days)]
        labels = (np.random.default_rng(2013).random(len(days)) < 0.3).astype(float)
        self.history = SimpleNamespace(
            pipeline=SimpleNamespace(monitor=Monitor(rows_min=100)),
            scored=pd.DataFrame({"event_day": days, "label": labels}),
            scored_days=np.array([day.toordinal() for day in days]),
            scored_share=scored_share,
        )
        self.keys = [FitKey(FitKind.WHOLE, START + timedelta(days=14 * n)) for n in range(len(probabilities))]
        self._probabilities = dict(zip(self.keys, probabilities, strict=True))

    def scored(self, key):
        later = self.history.scored_days > key.until.toordinal()
        return np.where(later, self._probabilities[key], np.nan)

    def has(self, key):
        return self._probabilities[key] is not None

    def run(self):
        served = tuple(Served(key.until + timedelta(days=1), key) for key in self.keys)
        return PolicyRun(tuple(key.until for key in self.keys[1:]), served)


def scoring_of(*probabilities, **changes):
    fits = ConstantFits(*probabilities, **changes)
    return Scoring(fits, Period(START, LAST), LogLoss()), fits


@pytest.mark.parametrize(("before", "after", "wrong"), [(0.3, 0.9, 1), (0.9, 0.3, 0), (0.3, 0.3, 0)])
def test_a_promotion_is_wrong_when_its_model_loses_on_the_next_two_weeks(before, after, wrong):
    scoring, fits = scoring_of(before, after)
    assert len(scoring.wrong_promotions(fits.run())) == wrong


def test_each_row_has_the_prediction_of_the_model_that_served_on_its_day():
    scoring, fits = scoring_of(0.1, 0.2, 0.4)
    means = pd.Series(scoring.predictions(fits.run())).groupby(fits.history.scored["event_day"]).mean()
    promoted = START + timedelta(days=15)
    assert means[promoted - timedelta(days=1)] == pytest.approx(0.1)
    assert means[promoted] == pytest.approx(0.2)
    assert means[LAST] == pytest.approx(0.4)


def test_the_matrix_adds_up_to_the_loss_of_each_schedule():
    """Its diagonal is the schedule that retrains before each block, its first row the one that never does."""
    scoring, fits = scoring_of(0.1, 0.2, 0.4, scored_share=0.5)
    losses = scoring.block_losses(fits.keys[0], fits.keys[1:])
    often = scoring.losses(scoring.predictions(fits.run())).sum()
    never = scoring.losses(fits.scored(fits.keys[0])).sum()
    assert np.trace(losses) == pytest.approx(2 * often)  # half of the rows were scored
    assert losses[0].sum() == pytest.approx(2 * never)


def test_the_matrix_has_no_loss_where_the_training_was_refused():
    scoring, fits = scoring_of(0.1, None, 0.4)
    losses = scoring.block_losses(fits.keys[0], fits.keys[1:])
    assert np.isinf(losses[1]).all()
    assert np.isfinite(losses[[0, 2]]).all()
