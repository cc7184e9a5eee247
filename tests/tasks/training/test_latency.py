"""Latency as a worker answers, and what a budget keeps out: in the search, and as a candidate."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from releases.manifest import Column, InputSchema
from releases.output import Output
from tasks.config.retrain_section import Search
from tasks.evaluation.losses import LogLoss, SquaredError
from tasks.training.inference import predict
from tasks.training.latency import BATCH_ROWS, BUDGET, Latency, compare_with_budget, measure_latency
from tasks.training.search import ScoredParameters, SearchData, _select, search
from tasks.training.search_front import AS_WRITTEN, front_figure, front_table, pareto_front
from tests.toy import day_of

SCHEMA = InputSchema(columns=(Column(name="x", type="double"), Column(name="z", type="double")))
KINDS = {
    "a class": (HistGradientBoostingClassifier, 2, None),
    "several classes": (HistGradientBoostingClassifier, 3, Output(kind="probabilities", names=("a", "b", "c"))),
    "a quantity": (HistGradientBoostingRegressor, 0, None),
}


def labelled(classes, rows=600):
    generator = np.random.default_rng(0)
    inputs = pd.DataFrame({"x": generator.normal(size=rows), "z": generator.normal(size=rows)})
    noisy = inputs["x"] + 0.5 * generator.normal(size=rows)
    if classes:
        noisy = pd.Series(np.digitize(noisy, np.quantile(noisy, np.linspace(0, 1, classes + 1)[1:-1])).astype(float))
    return inputs, noisy


@pytest.mark.parametrize(("family", "classes", "output"), KINDS.values(), ids=KINDS)
def test_one_row_and_a_batch_are_measured_for_every_kind_of_answer(family, classes, output):
    inputs, targets = labelled(classes)
    fitted = family(max_iter=5).fit(inputs, targets)
    latency = measure_latency(fitted, inputs, SCHEMA, output)
    assert 0 < latency.row_ms < 1000
    assert 0 < latency.batch_ms < 1000
    assert latency.ms == max(latency.row_ms, latency.batch_ms)


class Spinning(ClassifierMixin, BaseEstimator):
    """Answers one half, after `rounds` of arithmetic."""

    def __init__(self, rounds=0):
        self.rounds = rounds

    def fit(self, inputs, targets):
        self.classes_ = np.array([0.0, 1.0])
        self.n_features_in_ = inputs.shape[1]
        return self

    def predict_proba(self, inputs):
        for _ in range(self.rounds):
            np.sin(np.ones(10_000))
        return np.full((len(inputs), 2), 0.5)


def test_a_model_with_more_work_has_a_higher_latency():
    inputs, targets = labelled(2)
    quick, slow = (measure_latency(Spinning(n).fit(inputs, targets), inputs, SCHEMA, None) for n in (0, 40))
    assert slow.row_ms > 3 * quick.row_ms


class Raising(RegressorMixin, BaseEstimator):
    def predict(self, inputs):
        raise ValueError("no such category")


def test_a_model_that_predicts_no_row_has_no_latency():
    assert measure_latency(Raising(), labelled(0)[0], SCHEMA, None) is None


def test_a_candidate_over_the_budget_is_blocked_by_name_and_one_within_it_is_not():
    slow = compare_with_budget(Latency(4.0, 9.0), 5.0)
    assert (slow.against, slow.blocks, slow.rows) == (BUDGET, True, BATCH_ROWS)
    assert "one row takes 4.00 ms and 64 rows take 9.00 ms" in slow.reason
    assert "retrain.search.latency_ms_max allows 5 ms" in slow.reason
    assert compare_with_budget(Latency(4.0, 5.0), 5.0) is None
    assert compare_with_budget(None, 5.0) is None


def scored(name, loss, ms):
    """One combination, with the same loss on seven days."""
    from tasks.evaluation.clustered import DaySum

    parameters = {"name": name} if name else {}
    noise = (-0.01, 0.0, 0.01, -0.01, 0.01, 0.0, 0.0)
    return ScoredParameters(parameters, 1.0, tuple(DaySum(100, 100 * (loss + n)) for n in noise), Latency(ms, ms))


AS_IS, BETTER, BEST = scored("", 0.5, 3.0), scored("better", 0.4, 4.0), scored("best", 0.3, 9.0)


@pytest.mark.parametrize(
    ("budget", "found"),
    [
        (None, {"name": "best"}),
        (10.0, {"name": "best"}),
        (5.0, {"name": "better"}),
        (3.5, {}),  # the estimator as written alone is within it
        (1.0, {}),  # nothing is; the candidate is then refused by name
    ],
)
def test_what_is_over_the_budget_neither_wins_nor_continues(budget, found):
    best, continuing = _select([AS_IS, BETTER, BEST], budget)
    assert best == found
    within = [each.parameters for each in (AS_IS, BETTER, BEST) if budget is None or each.latency.ms <= budget]
    assert all(each in within for each in continuing)


def test_an_estimator_as_written_over_the_budget_is_replaced_by_the_best_within_it():
    slow = replace(AS_IS, latency=Latency(20.0, 20.0))
    worse = scored("worse", 0.6, 1.0)
    assert _select([slow, worse, BEST], 10.0)[0] == {"name": "best"}
    assert _select([slow, worse, BEST], 5.0)[0] == {"name": "worse"}


def test_a_search_gives_way_to_a_slower_but_worse_estimator_as_written():
    """`Spinning` as written takes longer than its budget; the search finds the value that does not."""
    inputs, targets = labelled(2)
    days = pd.Series([day_of(row // 20) for row in range(len(inputs))])
    latency = partial(measure_latency, inputs=inputs, schema=SCHEMA, output=None)
    rows = SearchData(inputs, targets, days, LogLoss().of, predict, latency)
    quick = latency(Spinning(0).fit(inputs, targets)).ms
    slow = latency(Spinning(200).fit(inputs, targets)).ms
    rules = Search(parameters={"rounds": (0,)}, candidates_max=2, latency_ms_max=(quick * slow) ** 0.5)
    found = search(lambda: Spinning(200), rows, rules, seed=1)
    assert found.parameters == {"rounds": 0}
    assert [each.is_within(rules.latency_ms_max) for each in found.scored[:2]] == [False, True]


def test_several_classes_and_a_quantity_pass_through_a_search_with_a_budget():
    for family, classes, output in KINDS.values():
        inputs, targets = labelled(classes)
        days = pd.Series([day_of(row // 20) for row in range(len(inputs))])
        loss = LogLoss() if classes else SquaredError(float(targets.var()))
        latency = partial(measure_latency, inputs=inputs, schema=SCHEMA, output=output)
        rules = Search(parameters={"max_leaf_nodes": (3, 7)}, candidates_max=3, latency_ms_max=10_000)
        rows = SearchData(inputs, targets, days, loss.of, predict, latency)
        found = search(lambda family=family: family(max_iter=5, random_state=0), rows, rules, seed=1)
        assert all(each.loss is not None and each.latency is not None for each in found.scored)
        assert any(front_table(found)["on_front"])


def test_the_front_has_what_no_other_combination_dominates():
    dominated = scored("dominated", 0.45, 5.0)
    assert pareto_front([BEST, dominated, AS_IS, BETTER]) == [AS_IS, BETTER, BEST]
    early = replace(scored("early", 0.1, 0.1), share=0.3)  # its loss is of fewer rows
    assert pareto_front([early, AS_IS]) == [AS_IS]
    assert pareto_front([ScoredParameters({}, 1.0, ())]) == []


def test_the_table_and_the_figure_show_front_and_budget():
    from tasks.training.search import SearchResult

    found = SearchResult({"name": "better"}, (AS_IS, BETTER, BEST), 1.0, cut_short=False, latency_ms_max=5.0)
    table = front_table(found)
    assert table["parameters"] == [AS_WRITTEN, json.dumps({"name": "better"}), json.dumps({"name": "best"})]
    assert table["within_budget"] == [True, True, False]
    assert table["on_front"] == [True, True, True]
    assert table["found"] == [False, True, False]
    [axes] = front_figure(found).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["combinations", "Pareto front", "budget"]
    assert front_figure(replace(found, scored=())) is None
