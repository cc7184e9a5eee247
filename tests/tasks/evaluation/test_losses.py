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


def test_two_classes_have_the_same_losses_as_one_probability():
    generator = np.random.default_rng(4)
    share, labels = generator.uniform(0.01, 0.99, 400), generator.integers(0, 2, 400).astype(float)
    both = np.column_stack([1 - share, share])
    loss = LogLoss()
    assert loss.of(both, labels) == pytest.approx(loss.of(share, labels))
    assert loss.excess(both, labels) == pytest.approx(loss.excess(share, labels))
    assert loss.extremes(both, labels) == pytest.approx(loss.extremes(share, labels))
    one, two = loss.metrics(share, labels), loss.metrics(both, labels)
    assert two["holdout_auc"] == pytest.approx(one["holdout_auc"])
    assert two["holdout_brier"] == pytest.approx(2 * one["holdout_brier"])
    assert set(one) ^ set(two) == {"holdout_positive_share", "holdout_average_precision", "holdout_accuracy"}


def test_the_loss_of_several_classes_is_least_for_the_true_shares():
    """A proper loss: with labels drawn from the shares, no other prediction has a smaller mean loss."""
    shares = np.array([0.5, 0.3, 0.2])
    labels = np.random.default_rng(5).choice(3, 20_000, p=shares).astype(float)
    losses = {
        name: LogLoss().of(np.tile(prediction, (len(labels), 1)), labels).mean()
        for name, prediction in {"true": shares, "even": [1 / 3] * 3, "sure": [0.98, 0.01, 0.01]}.items()
    }
    assert min(losses, key=losses.get) == "true"
    assert losses["true"] == pytest.approx(entropies(shares[None, :])[0], abs=0.01)
    assert abs(LogLoss().excess(np.tile(shares, (len(labels), 1)), labels).mean()) < 0.01


def test_a_class_that_the_model_does_not_know_has_the_largest_loss():
    assert log_losses(np.array([[0.5, 0.3, 0.2]]), np.array([3.0])) == pytest.approx(-np.log(1e-6))
