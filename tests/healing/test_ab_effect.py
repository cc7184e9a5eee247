"""The interval of an A/B test covers the effect at every look, whatever the outcomes are, and decides in time."""

import random
from dataclasses import replace

import pytest

from healing.ab_effect import ABDecision, ABEffect, Client, effect_of
from healing.ab_rules import ABRules, Better
from tests.healing.ab_world import (
    RULES,
    World,
    binary,
    clustered,
    drifting,
    fixed_sample_misses,
    misses_effect,
    rows_of_client,
    skewed,
)
from tests.healing.sequential.seeds import rejections, rejections_allowed

COUNT = 300
WORLDS = {
    "no effect": World(binary, 0.0),
    "one client in five": World(binary, 0.0, share=0.2),
    "skewed": World(skewed, 0.0, share=0.3),
    "drift in both arms": World(drifting, 0.1),
    "rows of a client alike": World(clustered, 0.0),
    "bad outcomes of the challenger never arrive": World(
        binary, 0.0, hides=lambda generator, challenger, x: challenger and x == 0.0 and generator.random() < 0.5
    ),
    "one arm reports nothing": World(binary, 0.0, hides=lambda _, challenger, __: challenger),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_interval_misses_the_effect_in_at_most_alpha_of_tests_looked_at_after_every_client(world):
    assert rejections(lambda seed: misses_effect(world, seed, COUNT)) <= rejections_allowed(RULES.alpha)


def test_a_fixed_sample_interval_in_its_place_misses_it_far_too_often():
    missed = rejections(lambda seed: fixed_sample_misses(WORLDS["no effect"], seed, COUNT))
    assert missed > 3 * rejections_allowed(RULES.alpha)


def test_rows_in_the_place_of_clients_miss_it_too_often():
    """The unit that is assigned is the unit that counts: rows of a client are not independent of each other."""

    def missed(seed: int) -> bool:
        generator, effect = random.Random(seed), ABEffect(RULES, 0.5)
        for _ in range(100):
            challenger = generator.random() < 0.5
            for row in rows_of_client(generator):
                effect.observe(Client(challenger, row, row))
        return not effect.lower <= 0.0 <= effect.upper  # one look at the end is enough

    assert rejections(missed) > rejections_allowed(RULES.alpha)


def test_clients_without_an_outcome_left_out_would_miss_it():
    world = WORLDS["bad outcomes of the challenger never arrive"]

    def missed(seed: int) -> bool:
        known = [client for client in world.clients(seed, 1_500) if client.low == client.high]
        effect = effect_of(known, RULES, 0.5)
        return not effect.lower <= 0.0 <= effect.upper

    assert sum(missed(seed) for seed in range(20)) > 15


@pytest.mark.parametrize(("better", "shift", "expected"), [
    (Better.HIGHER, 0.25, ABDecision.BETTER),
    (Better.HIGHER, -0.25, ABDecision.WORSE),
    (Better.LOWER, 0.25, ABDecision.WORSE),
    (Better.LOWER, -0.25, ABDecision.BETTER),
])  # fmt: skip
def test_a_clear_effect_is_decided_within_600_clients_in_nine_of_ten_tests(better, shift, expected):
    def draw(generator: random.Random, challenger: bool, _: int) -> float:
        return float(generator.random() < 0.5 + shift * challenger)

    rules = replace(RULES, better=better)
    found = [effect_of(World(draw, shift).clients(seed, 600), rules, 0.5).decision for seed in range(30)]
    assert found.count(expected) >= 27
    assert set(found) <= {expected, ABDecision.INCONCLUSIVE}


def test_equal_arms_are_found_to_be_no_different_within_the_smallest_effect_that_matters():
    rules = replace(RULES, effect_min=0.1)
    found = [effect_of(World(binary, 0.0).clients(seed, 3_500), rules, 0.5).decision for seed in range(10)]
    assert found.count(ABDecision.NO_DIFFERENCE) >= 9


def test_an_improvement_too_small_to_matter_is_no_reason_to_promote():
    def draw(generator: random.Random, challenger: bool, _: int) -> float:
        return generator.uniform(0.4, 0.6) + 0.02 * challenger

    clients = list(World(draw, 0.02).clients(0, 4_000))
    assert effect_of(clients, RULES, 0.5).decision is ABDecision.BETTER
    assert effect_of(clients, replace(RULES, effect_min=0.05), 0.5).decision is ABDecision.NO_DIFFERENCE


def test_missing_outcomes_widen_the_interval_by_what_they_may_be():
    clients = list(World(binary, 0.0).clients(3, 2_000))
    known = effect_of(clients, RULES, 0.5)
    hidden = [Client(x.challenger, 0.0, 1.0) if number % 10 == 0 else x for number, x in enumerate(clients)]
    wider = effect_of(hidden, RULES, 0.5)
    assert wider.lower < known.lower < known.upper < wider.upper
    assert wider.upper - wider.lower == pytest.approx(known.upper - known.lower + 0.2, abs=0.05)  # 10 % of each arm


def test_few_clients_decide_nothing():
    effect = effect_of([Client(number % 2 == 0, *[float(number % 2 == 0)] * 2) for number in range(38)], RULES, 0.5)
    assert effect.decision is ABDecision.INCONCLUSIVE
    assert effect.clients_needed() is None


def test_the_clients_still_needed_are_those_that_it_takes():
    """With a steady effect, the estimate halfway is the number of clients at which the interval decides."""

    def steady(count: int) -> ABEffect:
        outcomes = {True: (1.0, 0.0, 1.0), False: (0.0, 1.0, 0.0)}  # 2/3 and 1/3, in turn
        return effect_of(
            (Client(number % 2 == 0, *[outcomes[number % 2 == 0][number // 2 % 3]] * 2) for number in range(count)),
            RULES,
            0.5,
        )

    needed = steady(120).clients_needed()
    assert needed is not None
    decided = next(count for count in range(120, 2_000, 6) if steady(count).decision is ABDecision.BETTER)
    assert 120 + needed == pytest.approx(decided, rel=0.1)
    assert steady(decided).clients_needed() == 0


def test_no_number_of_clients_decides_where_one_arm_reports_nothing():
    world = WORLDS["one arm reports nothing"]
    assert effect_of(world.clients(0, 500), RULES, 0.5).clients_needed() is None


@pytest.mark.parametrize(("changed", "expected"), [
    ({"low": 1.0, "high": 1.0}, "low < high"),
    ({"high": float("inf")}, "finite bounds"),
    ({"absent": 2.0}, "absent in"),
    ({"effect_min": 1.5}, "effect_min between"),
    ({"alpha": 0.0}, "alpha in"),
    ({"client_seconds": -1.0}, "not negative"),
])  # fmt: skip
def test_rules_that_contradict_themselves_are_refused(changed, expected):
    with pytest.raises(ValueError, match=expected):
        ABRules(**{"outcome": "clicks", "low": 0.0, "high": 1.0} | changed)
