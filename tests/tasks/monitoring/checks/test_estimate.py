"""The estimate over seeds: the coverage of its bound, its false-alarm rate, and when it is INCONCLUSIVE."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from healing.verdict import Outcome
from tasks.evaluation.losses import LogLoss, SquaredError
from tasks.monitoring.checks.estimate import EstimateRule, estimate_change, expected_auc, judge_estimate, reweight

SEEDS = 200
LOSS = LogLoss()
RULE = EstimateRule(rows_min=500, tolerated=0.02)


def predicted(generator, *, days=14, rows=120, shift=0.0, scale=1.0, law=0.0):
    """Days of a model that predicts the true probability; `law` is added to the log-odds of the truth only."""
    logits = scale * generator.normal(size=days * rows) + shift - 1
    truth = 1 / (1 + np.exp(-(logits + law)))
    return pd.DataFrame(
        {
            "event_day": np.repeat([f"day {number:02}" for number in range(days)], rows),
            "prediction": 1 / (1 + np.exp(-logits)),
            "label": (generator.random(days * rows) < truth).astype(float),
        }
    )


def change(accepted, window):
    losses = [LOSS.of(rows["prediction"].to_numpy(), rows["label"].to_numpy()).mean() for rows in (window, accepted)]
    return losses[0] - losses[1]


@pytest.mark.parametrize("moved", [{}, {"shift": 0.5}, {"shift": -0.7}, {"scale": 0.4}])
def test_the_loss_of_a_calibrated_model_lies_within_the_bound(moved):
    """Two tails of 5 % each, and a little more for the finite bins."""
    within = 0
    for seed in range(SEEDS):
        generator = np.random.default_rng(seed)
        accepted, window = predicted(generator), predicted(generator, days=7, **moved)
        estimate = estimate_change(reweight(accepted, window["prediction"].to_numpy(), LOSS), 0.05)
        within += abs(change(accepted, window) - estimate.change) <= estimate.margin
    assert within / SEEDS >= 0.85


def outcomes(**moved):
    found = []
    for seed in range(SEEDS):
        generator = np.random.default_rng(seed)
        accepted, window = predicted(generator), predicted(generator, days=7, **moved)
        found.append(judge_estimate(reweight(accepted, window["prediction"].to_numpy(), LOSS), RULE).outcome)
    return found


def test_unchanged_predictions_pass_and_predictions_near_one_half_fail():
    assert outcomes().count(Outcome.FAIL) <= 0.05 * SEEDS
    assert outcomes(shift=1.0, scale=0.2).count(Outcome.FAIL) > 0.95 * SEEDS
    assert outcomes(shift=-1.0).count(Outcome.PASS) > 0.9 * SEEDS


def test_concept_shift_stays_unseen_so_the_estimate_never_acts():
    assert outcomes(law=2.0).count(Outcome.FAIL) <= 0.05 * SEEDS


def test_predictions_beyond_the_labelled_ones_are_inconclusive():
    generator = np.random.default_rng(0)
    found = reweight(predicted(generator), np.full(1000, 0.9999), LOSS)
    judged = judge_estimate(found, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "beyond" in judged.reason


def test_without_labels_or_predictions_there_is_no_estimate():
    accepted = predicted(np.random.default_rng(0))
    unlabelled = accepted.assign(label=np.nan)
    for found in (reweight(unlabelled, np.full(1000, 0.3), LOSS), reweight(accepted, np.full(3, 0.3), LOSS)):
        assert judge_estimate(found, RULE).outcome is Outcome.INCONCLUSIVE


def test_a_quantity_is_estimated_by_its_squared_error():
    generator = np.random.default_rng(0)
    predictions = generator.normal(size=2800)
    noise = np.abs(predictions) * generator.normal(size=2800)  # the noise grows with the distance from zero
    days = np.repeat(np.arange(14), 200)
    accepted = pd.DataFrame({"event_day": days, "prediction": predictions, "label": predictions + noise})
    found = reweight(accepted, np.full(1400, 1.5), SquaredError(1.0))
    assert found.change == pytest.approx(1.5**2 - 1, abs=0.4)


def test_the_expected_auc_is_the_mean_auc_of_labels_drawn_from_the_predictions():
    generator = np.random.default_rng(0)
    predictions = np.round(generator.random(4000), 2)  # many are equal
    drawn = [roc_auc_score(generator.random(4000) < predictions, predictions) for _ in range(20)]
    assert expected_auc(predictions, predictions) == pytest.approx(np.mean(drawn), abs=0.005)
