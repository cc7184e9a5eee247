"""CARA on matrices of losses whose cheapest schedule is known."""

import numpy as np
import pytest

from tasks.backtest.cara import cara, newest_staleness, summed_staleness

BLOCKS = 24
ROWS = np.full(BLOCKS, 100.0)
VARIANTS = pytest.mark.parametrize("staleness", [newest_staleness, summed_staleness])


def ageing(per_block):
    """Each model loses `per_block` more per row with each block after its training."""
    age = np.arange(BLOCKS)[None, :] - np.arange(BLOCKS)[:, None]
    return np.where(age < 0, 0.0, 0.5 + per_block * age) * ROWS


@VARIANTS
def test_models_that_do_not_age_are_kept(staleness):
    assert cara(ageing(0.0), ROWS, 1.0, staleness) == ()


@VARIANTS
def test_models_that_age_are_retrained_more_often_at_a_lower_price(staleness):
    often, rarely = (len(cara(ageing(0.01), ROWS, price, staleness)) for price in (0.5, 6.0))
    assert often > rarely > 0


@VARIANTS
def test_no_retrain_pays_at_a_price_above_all_losses(staleness):
    assert cara(ageing(0.01), ROWS, 1e9, staleness) == ()


def test_the_threshold_is_the_cheapest_of_the_offline_part():
    """A quarter of 24 blocks is 6: at most five retrains, each of which gains what its price says."""
    assert cara(ageing(0.05), ROWS, 1e-3, newest_staleness)[0] == 2  # the first block shows no staleness by definition


@VARIANTS
def test_a_refused_training_leads_to_the_next_block(staleness):
    losses = ageing(0.05)
    losses[2] = np.inf
    assert 2 not in cara(losses, ROWS, 1e-3, staleness)
