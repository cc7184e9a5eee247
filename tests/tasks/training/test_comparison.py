"""A candidate meets everybody on the same rows; what is better overall may still fail one segment."""

from types import SimpleNamespace

import numpy as np
import pytest

from healing.comparison import Comparison
from healing.errors import ConfigError
from tasks.training.candidate import plan_training
from tasks.training.comparison import meet_on_held_out
from tasks.training.leakage import suspicion
from tasks.training.training import immature_days, read_training_rows
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
    return plan_training(toy_pipeline(), toy_labels(lake), day_of(49), None)


class Law:
    """Answers by the law of the toy's world, changed as a test wants it."""

    def __init__(self, change):
        self._change = change

    def predict(self, inputs):
        return self._change(inputs, 1 / (1 + np.exp(-usual(inputs))))


def dull_in_kind_b(inputs, answers):
    return answers.where(inputs["kind"] != "b", 0.3 * answers + 0.35)


def is_dull(_inputs, answers):
    return answers * 0 + 0.45


def is_right(_inputs, answers):
    return answers


def meet(pipeline, plan, lake, candidate, champion=None):
    rows = read_training_rows(plan, toy_labels(lake))
    rival = champion and Law(champion)
    if rival is not None:
        rival.manifest = SimpleNamespace(input_schema=rows.schema)
    return meet_on_held_out(pipeline, plan, rows, Law(candidate), rival)


def test_a_candidate_that_fails_one_segment_is_kept_back_by_its_name(pipeline, plan, lake):
    """Overall it is far better than the champion; those of kind b would be worse off."""

    def fails_in_kind_a(inputs, answers):
        return (1 - answers).where(inputs["kind"] == "a", answers * 0.7 + 0.15)

    meeting = meet(pipeline, plan, lake, dull_in_kind_b, champion=fails_in_kind_a)
    assert {c.against: c.outcome for c in meeting.comparisons if not c.segment}["the champion"] is Comparison.WIN
    assert [(c.segment, c.outcome) for c in meeting.comparisons if c.blocks and c.segment] == [
        ("kind=b", Comparison.WORSE)
    ]
    assert not meeting.won


def test_a_candidate_that_is_right_everywhere_wins(pipeline, plan, lake):
    meeting = meet(pipeline, plan, lake, is_right, champion=is_dull)
    assert meeting.won
    assert {c.segment for c in meeting.comparisons} == {"", "kind=a", "kind=b"}
    assert meeting.suspicion == ""


def test_a_candidate_worse_than_a_simple_model_is_kept_back(pipeline, plan, lake):
    def nearly_blind(_inputs, answers):
        return 0.45 + 0.05 * (answers - 0.45)

    meeting = meet(pipeline, plan, lake, nearly_blind)
    assert {c.against: c.blocks for c in meeting.comparisons if not c.segment}["a simple model"]


def test_segments_with_too_few_rows_are_named_together(pipeline, plan, lake):
    many = pipeline.retrain.model_copy(update={"segment_rows_min": 10_000})
    strict = pipeline.model_copy(update={"retrain": many})
    small = [c for c in meet(strict, plan, lake, is_right).comparisons if c.segment]
    assert [(c.segment, c.outcome, c.blocks) for c in small] == [("kind=a, b", Comparison.INCONCLUSIVE, False)]


def test_a_segment_that_is_no_feature_is_named(pipeline, plan, lake):
    wrong = pipeline.model_copy(update={"segments": ("airport",)})
    with pytest.raises(ConfigError, match="'airport', which is no column of its features"):
        meet(wrong, plan, lake, is_right)


def test_what_explains_nearly_everything_is_suspected_and_not_refused(pipeline, plan, lake):
    def knows(inputs, answers):
        return rows.held_out["label"].set_axis(answers.index).clip(0.001, 0.999).to_numpy()

    rows = read_training_rows(plan, toy_labels(lake))
    meeting = meet(pipeline, plan, lake, knows, champion=is_right)
    assert "too good to be true? It explains 100% of the base rate's loss" in meeting.suspicion
    assert meeting.won


def test_an_ordinary_gain_is_no_leap():
    assert suspicion(0.50, 0.55, 0.52) == ""
    assert suspicion(0.40, 0.55, 5.0) == ""
    assert "the champion 9%" in suspicion(0.20, 0.55, 0.50)
    assert suspicion(0.0, 0.0, None) == ""


def test_newest_days_are_left_out_while_many_labels_are_to_come(lake, tmp_path):
    write_days(tmp_path, 0, 40)
    write_days(tmp_path, 40, 3, labels=False)
    plan = plan_training(toy_pipeline(), toy_labels(tmp_path), day_of(42), None)
    rows = read_training_rows(plan, toy_labels(tmp_path))
    assert rows.immature == (day_of(40), day_of(41), day_of(42))
    assert max(rows.held_out["event_day"]) == day_of(39)


def test_an_older_day_keeps_what_it_has():
    """Flights cancelled in a blizzard never land; that is no reason to forget the others."""
    import pandas as pd

    joined = pd.DataFrame({"event_day": np.repeat([day_of(n) for n in range(5)], 10), "label": 1.0})
    joined.loc[12:19, "label"] = np.nan
    assert immature_days(joined, 0.8) == ()
    joined.loc[45:49, "label"] = np.nan
    assert immature_days(joined, 0.8) == (day_of(4),)
    assert immature_days(joined, 0.0) == ()
