"""A candidate is compared with every baseline on the same rows; it may be better overall and still fail one segment."""

from types import SimpleNamespace

import numpy as np
import pytest

from healing.errors import ConfigError
from tasks.training.candidate_comparison import compare_with_baselines
from tasks.training.comparison import ComparisonOutcome
from tasks.training.dataset import read_dataset
from tasks.training.plan import plan_training
from tests.toy import day_of, toy_labels, toy_pipeline, usual, write_days


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = tmp_path_factory.mktemp("lake")
    write_days(lake, 0, 50)
    return lake


@pytest.fixture(scope="module")
def pipeline():
    toy = toy_pipeline()
    few = toy.retrain.model_copy(update={"segment_rows_min": 300})
    segmented = toy.model_copy(update={"segments": ("kind",), "retrain": few})
    segmented._folder = toy.folder
    return segmented


@pytest.fixture(scope="module")
def plan(lake):
    return plan_training(toy_pipeline(), toy_labels(lake), day_of(49))


class LawModel:
    """Predicts the true probability of the toy's world, changed by a function."""

    def __init__(self, change):
        self._change = change

    def predict(self, inputs):
        return self._change(inputs, 1 / (1 + np.exp(-usual(inputs))))


def vague_in_kind_b(inputs, truth):
    return truth.where(inputs["kind"] != "b", 0.3 * truth + 0.35)


def constant(_inputs, truth):
    return truth * 0 + 0.45


def correct(_inputs, truth):
    return truth


def compare(pipeline, plan, lake, candidate, champion=None):
    dataset = read_dataset(plan, toy_labels(lake))
    baseline = champion and LawModel(champion)
    if baseline is not None:
        baseline.manifest = SimpleNamespace(input_schema=dataset.schema, output=None)
    return compare_with_baselines(pipeline, plan, dataset, LawModel(candidate), baseline)


def test_a_candidate_that_is_worse_in_one_segment_is_blocked_and_the_segment_named(pipeline, plan, lake):
    """Overall it is far better than the champion, but worse for rows of kind b."""

    def wrong_in_kind_a(inputs, truth):
        return (1 - truth).where(inputs["kind"] == "a", truth * 0.7 + 0.15)

    result = compare(pipeline, plan, lake, vague_in_kind_b, champion=wrong_in_kind_a)
    overall = {c.against: c.outcome for c in result.comparisons if not c.segment}
    assert overall["the champion"] is ComparisonOutcome.WIN
    assert [(c.segment, c.outcome) for c in result.comparisons if c.blocks and c.segment] == [
        ("kind=b", ComparisonOutcome.WORSE)
    ]
    assert not result.accepted


def test_a_candidate_that_is_correct_everywhere_is_accepted(pipeline, plan, lake):
    result = compare(pipeline, plan, lake, correct, champion=constant)
    assert result.accepted
    assert {c.segment for c in result.comparisons} == {"", "kind=a", "kind=b"}
    assert result.leakage_warning == ""


def test_a_candidate_worse_than_a_simple_model_is_blocked(pipeline, plan, lake):
    def nearly_constant(_inputs, truth):
        return 0.45 + 0.05 * (truth - 0.45)

    result = compare(pipeline, plan, lake, nearly_constant)
    assert {c.against: c.blocks for c in result.comparisons if not c.segment}["a simple model"]


@pytest.mark.parametrize(("better_than_champion", "accepted"), [(True, True), (False, False)])
def test_worse_than_a_simple_model_blocks_only_a_candidate_that_does_not_beat_the_champion(
    pipeline, plan, lake, better_than_champion, accepted
):
    """After a drift a large model may need more rows than a simple one, and still be far better than the old one."""

    def blurred(_inputs, truth):
        return 0.45 + 0.5 * (truth - 0.45)

    champion = constant if better_than_champion else blurred
    result = compare(pipeline, plan, lake, blurred, champion=champion)
    overall = {c.against: c for c in result.comparisons if not c.segment}
    assert overall["a simple model"].outcome is ComparisonOutcome.WORSE
    assert overall["a simple model"].blocks is not better_than_champion
    assert result.accepted is accepted


def test_segments_with_too_few_rows_share_one_comparison_that_names_them(pipeline, plan, lake):
    many = pipeline.retrain.model_copy(update={"segment_rows_min": 10_000})
    strict = pipeline.model_copy(update={"retrain": many})
    small = [c for c in compare(strict, plan, lake, correct).comparisons if c.segment]
    assert [(c.segment, c.outcome, c.blocks) for c in small] == [("kind=a, b", ComparisonOutcome.INCONCLUSIVE, False)]


def test_a_segment_that_is_not_a_feature_is_named(pipeline, plan, lake):
    wrong = pipeline.model_copy(update={"segments": ("airport",)})
    with pytest.raises(ConfigError, match=r"to name features, found 'airport'; features are .*kind"):
        compare(wrong, plan, lake, correct)


def test_a_candidate_that_explains_nearly_everything_gets_a_leakage_warning_and_is_accepted(pipeline, plan, lake):
    def knows_the_label(_inputs, truth):
        return dataset.held_out["label"].set_axis(truth.index).clip(0.001, 0.999).to_numpy()

    dataset = read_dataset(plan, toy_labels(lake))
    result = compare(pipeline, plan, lake, knows_the_label, champion=correct)
    assert "possible label leakage: the candidate explains 100% of the base rate's loss" in result.leakage_warning
    assert "the model depends most on" in result.leakage_warning
    assert result.accepted
