"""Per-row loss difference between two models, and its lower bound."""

import numpy as np
import pytest

from releases.output import Output
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.evaluation.losses import VARIANCE
from tasks.evaluation.paired_loss import BrierIncrease, SquaredErrorIncrease, paired_loss_of
from tests.published import publish_tiny_model


@pytest.mark.parametrize("loss", [BrierIncrease(0.25), BrierIncrease(0.05), SquaredErrorIncrease(2.0)])
def test_the_increase_is_never_below_its_lower_bound(loss):
    generator = np.random.default_rng(0)
    challenger, champion = generator.uniform(0, 1, 500), generator.uniform(0, 1, 500)
    least = loss.least(challenger, champion)
    labels = np.linspace(0, 1, 11) if isinstance(loss, BrierIncrease) else np.linspace(-9, 9, 37)
    for label in labels:
        assert (loss.increase(challenger, champion, np.full(500, label)) >= least - 1e-12).all()


def test_one_of_the_classes_reaches_the_lower_bound_of_a_probability():
    challenger, champion, loss = np.array([0.9, 0.2]), np.array([0.5, 0.5]), BrierIncrease(0.25)
    both = [loss.increase(challenger, champion, np.full(2, label)) for label in (0.0, 1.0)]
    assert loss.least(challenger, champion) == pytest.approx(np.minimum(*both))


def test_equal_predictions_have_a_lower_bound_of_zero():
    answers = np.array([0.1, 0.7])
    for loss in (BrierIncrease(0.25), SquaredErrorIncrease(2.0)):
        assert loss.least(answers, answers) == pytest.approx([0, 0])


def test_the_loss_is_capped_at_an_error_of_two_standard_deviations():
    loss = SquaredErrorIncrease(4.0)
    assert loss.increase(np.array([1e9]), np.array([0.0]), np.array([0.0])) == pytest.approx([4.0])


@pytest.mark.parametrize("loss", [BrierIncrease(0.25), BrierIncrease(0.05), SquaredErrorIncrease(2.0)])
def test_the_increase_is_the_difference_of_two_losses_within_their_bounds(loss):
    generator = np.random.default_rng(1)
    challenger, champion = generator.uniform(0, 1, 300), generator.uniform(0, 1, 300)
    labels = generator.choice([0.0, 1.0, np.nan], 300)
    losses = loss.loss(challenger, labels), loss.loss(champion, labels)
    assert loss.increase(challenger, champion, labels) == pytest.approx(losses[0] - losses[1], nan_ok=True)
    known = losses[0][np.isfinite(losses[0])]
    assert (known >= 0).all()
    assert (known <= loss.largest).all()


def test_the_largest_loss_of_several_classes_is_certainty_in_a_wrong_one():
    loss = BrierIncrease(0.5, classes=3)
    assert loss.loss(np.array([[1.0, 0.0, 0.0]]), np.array([2.0])) == pytest.approx([loss.largest])


def test_the_unit_is_the_label_variance_by_the_manifest(tmp_path):
    manifest = ModelStore(tmp_path).manifest(publish_tiny_model(tmp_path, ensure_keys(tmp_path / "keys")).digest)
    assert paired_loss_of(manifest) == BrierIncrease(manifest.baseline * (1 - manifest.baseline))
    metrics = manifest.reference.model_copy(update={"metrics": {VARIANCE: 9.0}})
    assert paired_loss_of(manifest.model_copy(update={"reference": metrics})) == SquaredErrorIncrease(9.0)
    assert paired_loss_of(None) == BrierIncrease(0.25)


def test_two_classes_have_the_same_increase_as_one_probability():
    generator = np.random.default_rng(2)
    challenger, champion = generator.uniform(0, 1, 300), generator.uniform(0, 1, 300)
    labels = generator.choice([0.0, 1.0, np.nan], 300)
    pairs = [np.column_stack([1 - share, share]) for share in (challenger, champion)]
    one, two = BrierIncrease(0.21), BrierIncrease(0.42)
    assert two.increase(*pairs, labels) == pytest.approx(one.increase(challenger, champion, labels), nan_ok=True)
    assert two.least(*pairs) == pytest.approx(one.least(challenger, champion))


def test_one_of_several_classes_reaches_the_lower_bound():
    generator = np.random.default_rng(3)
    challenger, champion = generator.dirichlet(np.ones(4), 200), generator.dirichlet(np.ones(4), 200)
    loss = BrierIncrease(0.7)
    increases = [loss.increase(challenger, champion, np.full(200, float(label))) for label in range(4)]
    assert loss.least(challenger, champion) == pytest.approx(np.min(increases, axis=0))
    assert np.isnan(loss.increase(challenger, champion, np.full(200, 4.0))).all()


def test_the_unit_of_several_classes_is_the_loss_of_their_shares(tmp_path):
    """So predicting the shares costs 1 per row, as for one class."""
    shares = np.array([0.5, 0.3, 0.2])
    manifest = ModelStore(tmp_path).manifest(publish_tiny_model(tmp_path, ensure_keys(tmp_path / "keys")).digest)
    output = Output(kind="probabilities", names=("a", "b", "c"))
    loss = paired_loss_of(manifest.model_copy(update={"output": output, "baseline_outputs": tuple(shares)}))
    assert loss == BrierIncrease(pytest.approx(0.62))
    labels = np.repeat([0.0, 1.0, 2.0], [500, 300, 200])
    perfect = np.eye(3)[labels.astype(int)]
    assert loss.increase(np.tile(shares, (1000, 1)), perfect, labels).mean() == pytest.approx(1)
