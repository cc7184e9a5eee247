"""Losses of probabilities and quantities."""

import numpy as np
import pytest

from tasks.evaluation.losses import VARIANCE, LogLoss, SquaredError, loss_of
from tasks.evaluation.scores import entropies, log_losses


def test_predicting_the_mean_costs_one_per_row_in_any_unit():
    labels = np.random.default_rng(1).normal(1000, 250, 5000)
    loss = SquaredError(float(labels.var()))
    assert loss.of(np.full(5000, labels.mean()), labels).mean() == pytest.approx(1)
    assert loss.of(labels, labels).mean() == 0


def test_the_metrics_of_a_model_determine_its_loss():
    assert loss_of({"train_rows": 10.0}) == LogLoss()
    assert loss_of({VARIANCE: 4.0}) == SquaredError(4.0)


@pytest.mark.parametrize("loss", [LogLoss(), SquaredError(0.25)])
def test_the_metrics_contain_the_excess_loss(loss):
    answers, labels = np.array([0.2, 0.7, 0.9]), np.array([0.0, 1.0, 1.0])
    assert loss.metrics(answers, labels)[loss.excess_metric] == pytest.approx(loss.excess(answers, labels).mean())


def test_a_calibrated_probability_expects_its_own_loss():
    shares = np.array([0.05, 0.3, 0.5])
    late, in_time = (log_losses(shares, np.full(3, label)) for label in (1.0, 0.0))
    assert entropies(shares) == pytest.approx(shares * late + (1 - shares) * in_time)


def test_a_confident_error_has_a_bounded_loss():
    assert log_losses(np.zeros(1), np.ones(1)) == pytest.approx(-np.log(1e-6))
