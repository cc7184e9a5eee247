"""The trial guard aborts a bad challenger by the right check and soon, and a sound one rarely."""

import math
import random
from statistics import median

import pytest
from pydantic import TypeAdapter

from healing.release import Mode
from healing.trial_evidence import Expected
from healing.trial_guard import SavedGuard, TrialGuard
from healing.trial_rules import TrialCheck, TrialRules, controllers_share_of_alpha, share_of_alpha
from healing.verdict import Outcome
from tests.healing.sequential.seeds import SEEDS, rejections, rejections_allowed

DECILES = tuple(step / 10 for step in range(11))
EXPECTED = Expected(DECILES, DECILES, disagreement_distance=0.3)
RULES = TrialRules()
LOOSE = TrialRules(alpha=0.05, votes=frozenset(TrialCheck))  # every check, at a level that 200 seeds can measure


def spread(generator: random.Random) -> float:
    """An answer distributed as in the reference."""
    return generator.random()


def concentrated(generator: random.Random) -> float:
    return 0.62 + 0.05 * generator.random()


class World:
    """Simulated requests of a canary, or copies of a shadow, with the given rates."""

    def __init__(self, seed: int, *, failing=(0.003, 0.003), slow=(0.01, 0.01), answers=(spread, spread)) -> None:
        self.generator = random.Random(seed)
        self.failing, self.slow, self.answers = failing, slow, answers  # challenger, champion

    def request(self, guard: TrialGuard) -> None:
        generator = self.generator
        challenger = generator.random() < guard.weight
        arm = 0 if challenger else 1
        failed = generator.random() < self.failing[arm]
        answer = None if failed else self.answers[arm](generator)
        guard.observe(challenger, failed, generator.random() < self.slow[arm], answer)

    def copy(self, guard: TrialGuard) -> None:
        generator = self.generator
        failed = generator.random() < self.failing[0]
        slow = generator.random() < self.slow[0]
        guard.observe_pair(failed, slow, None if failed else self.answers[0](generator), self.answers[1](generator))


def canary_requests_until_abort(world: World, *, weight=0.25, rules=RULES, requests=8_000):
    guard = TrialGuard(rules, Mode.CANARY, weight, EXPECTED)
    for _ in range(requests):
        world.request(guard)
        if guard.aborted_by is not None:
            return guard.challenger_requests, guard.aborted_by
    return None, None


BAD = {
    TrialCheck.ERRORS: {"failing": (0.3, 0.003)},
    TrialCheck.LATENCY: {"slow": (1.0, 0.01)},
    TrialCheck.PREDICTIONS: {"answers": (concentrated, spread)},
}
REQUESTS_MAX = {TrialCheck.ERRORS: 40, TrialCheck.LATENCY: 25, TrialCheck.PREDICTIONS: 120}  # in nine of ten trials


@pytest.mark.parametrize(("check", "rates"), BAD.items(), ids=BAD)
def test_a_bad_canary_is_aborted_by_its_check_and_soon(check, rates):
    found = [canary_requests_until_abort(World(seed, **rates)) for seed in range(SEEDS)]
    assert {state.check for _, state in found} == {check}
    assert all(state.outcome is Outcome.FAIL and state.votes for _, state in found)
    assert sorted(seen for seen, _ in found)[int(0.9 * SEEDS)] <= REQUESTS_MAX[check]


@pytest.mark.parametrize(("check", "rates"), BAD.items(), ids=BAD)
def test_a_bad_shadow_is_aborted_by_its_check_within_100_copies(check, rates):
    for seed in range(SEEDS):
        guard, world = TrialGuard(RULES, Mode.SHADOW, 1.0, EXPECTED), World(seed, **rates)
        while guard.aborted_by is None and guard.challenger_requests < 100:
            world.copy(guard)
        assert guard.aborted_by is not None
        assert guard.aborted_by.check is check


def test_a_shadow_that_disagrees_is_aborted_only_if_disagreement_votes():
    votes = TrialRules(votes=frozenset({TrialCheck.ERRORS, TrialCheck.DISAGREEMENT}))
    far = (lambda generator: 0.1 + generator.random() / 10, lambda generator: 0.9)
    for rules, aborted in ((votes, True), (TrialRules(votes=frozenset({TrialCheck.ERRORS})), False)):
        guard, world = TrialGuard(rules, Mode.SHADOW, 1.0, EXPECTED), World(1, answers=far)
        for _ in range(60):
            world.copy(guard)
        state = next(state for state in guard.states() if state.check is TrialCheck.DISAGREEMENT)
        assert state.outcome is Outcome.FAIL  # computed and shown in both cases
        assert (guard.aborted_by is not None) is aborted


def test_five_percent_against_a_third_of_a_percent_aborts_within_110_canary_requests_at_the_median():
    """1,000 seeds, because 200 give the median only to six requests; only the errors are drawn one by one."""
    share, challenger_rate, champion_rate = 0.05, 0.05, 0.003
    any_rate = share * challenger_rate + (1 - share) * champion_rate
    share_quiet = share * (1 - challenger_rate) / (1 - any_rate)
    found = []
    for seed in range(1_000):
        generator = random.Random(seed)
        guard = TrialGuard(RULES, Mode.CANARY, share, Expected())
        while guard.aborted_by is None:
            quiet = int(math.log(1 - generator.random()) / math.log(1 - any_rate))
            challengers = round(quiet * share_quiet)
            guard.observe_quiet(challengers, quiet - challengers)
            guard.observe(generator.random() < share * challenger_rate / any_rate, True, False, None)
        found.append(guard.challenger_requests)
    assert median(found) <= 110


def a_whole_trial(seed: int, rules: TrialRules, **rates) -> bool:
    """Whether a trial with shadow, 5, 25, 50 and 100 % is aborted."""
    world, guard = World(seed, **rates), TrialGuard(rules, Mode.SHADOW, 1.0, EXPECTED)
    for _ in range(150):
        world.copy(guard)
    for weight in (0.05, 0.25, 0.5, 1.0):
        guard.next_stage(Mode.CANARY, weight)
        for _ in range(400):
            world.request(guard)
    return guard.aborted_by is not None


def test_a_challenger_at_every_tolerance_is_aborted_in_at_most_alpha_of_whole_trials():
    at_the_edge = {"failing": (0.02, 0.02), "slow": (0.2, 0.2 / 3)}
    assert rejections(lambda seed: a_whole_trial(seed, LOOSE, **at_the_edge)) <= rejections_allowed(0.05)


def test_at_the_default_level_no_sound_challenger_of_200_is_aborted():
    assert rejections(lambda seed: a_whole_trial(seed, RULES)) == 0


def test_the_whole_trial_notices_a_guard_that_always_aborts():
    eager = TrialRules(alpha=0.999999, votes=frozenset({TrialCheck.ERRORS}), error_rate_tolerated=1e-6)
    assert rejections(lambda seed: a_whole_trial(seed, eager, failing=(0.02, 0.02))) > rejections_allowed(0.05)


@pytest.mark.parametrize("mode", Mode)
def test_answers_of_both_arms_that_concentrate_abort_in_at_most_alpha_of_runs(mode):
    """The world changes for both arms at the same moment."""
    aborted = 0
    for seed in range(SEEDS):
        world = World(seed)
        guard = TrialGuard(LOOSE, mode, 1.0 if mode is Mode.SHADOW else 0.25, Expected(DECILES, DECILES))
        step = world.copy if mode is Mode.SHADOW else world.request
        for number in range(500):
            if number == 150:
                world.answers = (concentrated, concentrated)
            step(guard)
        aborted += guard.aborted_by is not None
    assert aborted <= rejections_allowed(0.05)


def test_a_shared_outage_or_slowness_aborts_in_at_most_alpha_of_runs():
    aborted = 0
    for seed in range(SEEDS):
        world, guard = World(seed), TrialGuard(LOOSE, Mode.CANARY, 0.1, EXPECTED)
        for number in range(900):
            bad = 0.9 if 300 <= number < 600 else 0.003
            world.failing, world.slow = (bad, bad), (bad, bad)
            world.request(guard)
        aborted += guard.aborted_by is not None
    assert aborted <= rejections_allowed(0.05)


def a_shared_outage(seed: int, weight: float, rates=(0.9, 0.9)) -> TrialGuard:
    """A trial whose arms fail at `rates` for 60 of 100 requests, as when a database is down."""
    world, guard = World(seed), TrialGuard(RULES, Mode.CANARY, weight, Expected())
    for number in range(100):
        failing = rates if 30 <= number < 90 else (0.003, 0.003)
        challenger = world.generator.random() < weight
        guard.observe(challenger, world.generator.random() < failing[not challenger], slow=None, answer=None)
    return guard


def test_a_shared_outage_aborts_far_fewer_of_10_000_trials_than_alpha_allows():
    """Alpha allows ten. Two are found in which nearly all of the first failures are the challenger's by chance."""
    aborted = sum(a_shared_outage(seed, (0.05, 0.25, 0.5)[seed % 3]).aborted_by is not None for seed in range(10_000))
    assert aborted <= 2


def test_the_same_failures_of_the_challenger_alone_abort():
    """The double: the same 60 requests of both arms, beside a champion that fails in 2 % of its own."""
    aborted = [a_shared_outage(seed, 0.25, (0.9, 0.02)).aborted_by for seed in range(SEEDS)]
    assert sum(state is not None and state.check is TrialCheck.ERRORS for state in aborted) > 0.9 * SEEDS


def test_one_client_that_retries_is_one_observation():
    guard = TrialGuard(RULES, Mode.CANARY, 0.05, EXPECTED)
    for attempt in range(200):
        guard.observe(challenger=True, failed=True, slow=False, answer=None, route_key_is_new=attempt == 0)
    assert guard.aborted_by is None
    assert guard.challenger_requests == 200


def test_models_with_a_constant_answer_are_not_aborted():
    constant = Expected((0.2,) * 11, (0.2,) * 11)
    guard = TrialGuard(RULES, Mode.CANARY, 0.5, constant)
    for number in range(2_000):
        guard.observe(number % 2 == 0, failed=False, slow=False, answer=0.2)
    assert guard.aborted_by is None


def test_predictions_without_reference_answers_of_both_models_are_inconclusive_and_say_why():
    guard = TrialGuard(RULES, Mode.CANARY, 0.5, Expected(challenger_deciles=DECILES))
    for _ in range(500):
        guard.observe(challenger=True, failed=False, slow=None, answer=0.65)
    state = next(state for state in guard.states() if state.check is TrialCheck.PREDICTIONS)
    assert (state.outcome, state.observations) == (Outcome.INCONCLUSIVE, 0)
    assert "not known" in state.reason


def test_answers_that_are_no_numbers_are_no_evidence_for_predictions():
    guard = TrialGuard(RULES, Mode.SHADOW, 1.0, EXPECTED)
    for answer in (float("nan"), float("inf"), None):
        guard.observe_pair(failed=False, slow=None, answer=answer, given=0.5)
    assert all(state.outcome is Outcome.INCONCLUSIVE for state in guard.states())


def test_quiet_requests_in_bulk_equal_those_one_by_one():
    bulk, single = (TrialGuard(RULES, Mode.CANARY, 0.25, Expected()) for _ in range(2))
    generator = random.Random(5)
    for weight in (0.25, 1.0):
        for guard in (bulk, single):
            guard.next_stage(Mode.CANARY, weight)
        for _ in range(30):
            arms = [generator.random() < weight for _ in range(generator.randrange(400))]
            bulk.observe_quiet(sum(arms), len(arms) - sum(arms))
            for challenger in arms:
                single.observe(challenger, failed=False, slow=False, answer=None)
            arm = generator.random() < weight
            for guard in (bulk, single):
                guard.observe(arm, failed=True, slow=True, answer=None)
    assert bulk.aborted_by == single.aborted_by
    assert bulk.save() == single.save()


@pytest.mark.parametrize("mode", Mode)
def test_a_guard_resumed_from_json_continues_as_if_never_interrupted(mode):
    writer = TypeAdapter(SavedGuard)
    weight = 1.0 if mode is Mode.SHADOW else 0.25
    whole, first, second = (TrialGuard(RULES, mode, weight, EXPECTED) for _ in range(3))
    worlds = [World(3, failing=(0.04, 0.01)) for _ in range(2)]
    for number in range(1_000):
        if number == 700:
            whole.save()  # saving settles the evidence
            second.resume(writer.validate_json(writer.dump_json(first.save())))
        for world, guard in zip(worlds, (whole, first if number < 700 else second), strict=True):
            (world.copy if mode is Mode.SHADOW else world.request)(guard)
    for ours, expected in zip(second.states(), whole.states(), strict=True):
        assert ours.log_e == pytest.approx(expected.log_e, abs=1e-9)
        assert (ours.outcome, ours.observations, ours.reason) == (
            expected.outcome,
            expected.observations,
            expected.reason,
        )


@pytest.mark.parametrize("votes", [frozenset(TrialCheck), frozenset({TrialCheck.ERRORS}), RULES.votes, frozenset()])
def test_the_voting_checks_and_the_controller_spend_exactly_alpha(votes):
    rules = TrialRules(votes=votes)
    assert sum(share_of_alpha(check, rules) for check in votes) + controllers_share_of_alpha(rules) == pytest.approx(1)


def test_the_aborting_check_keeps_its_numbers():
    guard = TrialGuard(RULES, Mode.CANARY, 0.05, EXPECTED)
    for _ in range(8):
        guard.observe(challenger=True, failed=True, slow=False, answer=None)
    aborted_by = guard.aborted_by
    for _ in range(3_000):
        guard.observe(challenger=False, failed=True, slow=False, answer=None)
    assert aborted_by is not None
    assert guard.aborted_by == aborted_by
    assert "failed" in aborted_by.reason


def test_a_challenger_that_is_good_in_one_stage_and_bad_in_the_next_is_aborted():
    guard = TrialGuard(RULES, Mode.CANARY, 0.05, EXPECTED)
    for _ in range(60):
        guard.observe(challenger=False, failed=True, slow=False, answer=None)
    guard.next_stage(Mode.CANARY, 0.5)
    for _ in range(20):
        guard.observe(challenger=True, failed=True, slow=False, answer=None)
    assert guard.aborted_by is not None
