"""The plan of an A/B test by pipeline and order, and the days still needed."""

import pytest

from healing.ab_effect import Client, effect_of
from healing.ab_rules import ABRules, Better, Ends
from healing.errors import UsageError
from releases.store import ModelStore
from tasks.config.ab_section import ABChanges
from tasks.config.pipeline import load_pipeline
from tasks.rollout.ab_evidence import ab_plan
from tasks.rollout.ab_progress import DAY_SECONDS, days_needed
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE

SECTION = """{ab: {outcome: revenue, split: 0.25, client_hours: 2}}
outcomes: {revenue: {low: 0, high: 10, absent: 0}, delay: {low: -60, high: 600, better: lower}}"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        bench = make_bench(tmp_path_factory.mktemp("plan"), patched, SECTION)
        champion = ModelStore(bench.root).manifest(bench.publish(1).digest)
        config = load_pipeline(PIPELINE, bench.settings.pipelines_dir)
        yield lambda **changes: ab_plan(config, ABChanges(**changes), champion)


def test_without_changes_the_pipelines_section_holds(plan):
    found = plan()
    assert found.weight == 0.25
    assert found.rules == ABRules("revenue", 0.0, 10.0, absent=0.0, client_seconds=7200.0)


def test_an_order_changes_what_it_names(plan):
    found = plan(outcome="delay", split=0.5, effect_min=2.0, ends="when_decided", days_max=3)
    assert found.weight == 0.5
    assert (found.rules.low, found.rules.high, found.rules.better) == (-60.0, 600.0, Better.LOWER)
    assert (found.rules.effect_min, found.rules.ends) == (2.0, Ends.WHEN_DECIDED)
    assert found.rules.seconds_max == 3 * DAY_SECONDS


def test_the_loss_has_the_bounds_of_the_champions_label(plan):
    rules = plan(outcome="loss").rules
    assert (rules.low, rules.high, rules.better) == (0.0, pytest.approx(1 / (0.25 * 0.75)), Better.LOWER)


@pytest.mark.parametrize(("changes", "expected"), [
    ({"outcome": "clicks"}, "among loss, revenue, delay, found 'clicks'"),
    ({"split": 0.12345}, "multiple of 0.001"),
    ({"effect_min": 50.0}, "effect_min between 0 and 10"),
    ({"days_max": 0.0}, "greater than 0"),
])  # fmt: skip
def test_an_order_that_cannot_be_is_refused_with_what_is_wrong(plan, changes, expected):
    with pytest.raises(UsageError, match=expected):
        plan(**changes)


def test_days_needed_are_clients_needed_at_the_rate_of_settled_clients():
    rules = ABRules("clicks", 0.0, 1.0, client_seconds=DAY_SECONDS, outcome_seconds=0.0)
    effect = effect_of((Client(n % 2 == 0, *[float(n % 4 < 2)] * 2) for n in range(200)), rules, 0.5)
    assert days_needed(effect, 3 * DAY_SECONDS) is None  # the difference is 0: no number of clients decides
    effect = effect_of((Client(n % 2 == 0, *[float(n % 8 < 4 + 2 * (n % 2))] * 2) for n in range(200)), rules, 0.5)
    needed = effect.clients_needed()
    assert needed is not None
    assert days_needed(effect, 3 * DAY_SECONDS) == pytest.approx(needed / 100)  # 200 clients in the last two days
