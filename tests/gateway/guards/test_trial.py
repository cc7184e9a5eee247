import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from gateway.guards.slowness import ANSWERS_MIN
from gateway.guards.trial import ChallengerTrial, ShadowedAnswer
from gateway.guards.window import VersionWindow
from healing.release import Challenger, Mode, ModelRef, Reason, Release
from healing.trial_rules import TrialCheck, TrialRules
from tests.published import NOW

DECILES = tuple(tenth / 10 for tenth in range(11))
DIGESTS = {True: "b" * 64, False: "a" * 64}


@dataclass
class FakeWorker:
    """Every batch is a new one, by a warm process."""

    warm: bool = True
    _batches: int = 0

    @property
    def batches(self):
        self._batches += 1
        return self._batches


@dataclass
class FakeVersion:
    challenger: bool
    deciles: tuple[float, ...] = ()
    disagreement: float | None = None
    workers: FakeWorker = field(default_factory=FakeWorker)
    window: VersionWindow = field(default_factory=VersionWindow)

    @property
    def model(self):
        return ModelRef(DIGESTS[self.challenger], "1.0.0")

    @property
    def manifest(self):
        return SimpleNamespace(reference=SimpleNamespace(answer_deciles=self.deciles, disagreement=self.disagreement))


def serving(mode=Mode.CANARY, weight=0.05, generation=2, champion=None, rules=None, deciles=()):
    challenger = FakeVersion(challenger=True, disagreement=0.1, deciles=deciles)
    champion = champion or FakeVersion(challenger=False)
    champion.deciles = deciles
    release = Release(
        generation=generation,
        created_at=NOW,
        pipeline="tiny",
        author="test",
        reason=Reason(mode.value),
        champion=champion.model,
        baseline=0.2,
        challenger=Challenger(challenger.model, mode, weight, rules or TrialRules()),
    )
    return SimpleNamespace(release=release, champion=champion, challenger=challenger)


def known_champion(seconds=0.004):
    """A champion of which enough is known: its answers take 4 ms."""
    champion = FakeVersion(challenger=False)
    for _ in range(ANSWERS_MIN):
        champion.window.answered(seconds, 0.5)
    return champion


def answer(trial, version, *, seconds=0.004, value=0.5, route_key=None):
    trial.observe_answer(version, challenger=version.challenger, seconds=seconds, answer=value, route_key=route_key)


def log_e(trial, check):
    return next(state.log_e for state in trial.guard.states() if state.check is check)


def test_errors_of_one_client_that_retries_count_once():
    trial = ChallengerTrial(serving(), 0.01)
    for _ in range(50):
        trial.observe_failure(challenger=True, route_key="the same")
    assert trial.abort_reason is None
    assert trial.arms[True].errors == 50
    once = ChallengerTrial(serving(), 0.01)
    once.observe_failure(challenger=True, route_key=None)
    assert log_e(trial, TrialCheck.ERRORS) == log_e(once, TrialCheck.ERRORS)


def test_a_challenger_that_fails_everybody_is_aborted_for_errors():
    trial = ChallengerTrial(serving(), 0.01)
    for number in range(20):
        trial.observe_failure(challenger=True, route_key=f"client {number}")
    assert trial.abort_reason.startswith("errors: challenger failed ")


def test_a_new_stage_counts_from_zero_and_keeps_the_evidence():
    trial = ChallengerTrial(serving(), 0.01)
    for number in range(2):
        trial.observe_failure(challenger=True, route_key=str(number))
    before = log_e(trial, TrialCheck.ERRORS)
    trial.next_stage(serving(weight=0.2, generation=3))
    assert (trial.arms[True].requests, trial.challenger.weight, trial.generation) == (0, 0.2, 3)
    assert log_e(trial, TrialCheck.ERRORS) == pytest.approx(before, abs=0.2)


def test_a_slow_challenger_is_aborted_for_latency_once_enough_is_known_of_the_champion():
    on_duty = serving(weight=0.5, champion=known_champion())
    trial = ChallengerTrial(on_duty, 0.01)
    assert trial.slowness.limit == 0.01  # twice 4 ms would be less
    for _ in range(100):
        answer(trial, on_duty.champion)
        answer(trial, on_duty.challenger, seconds=0.2)
    assert trial.abort_reason.startswith("latency: challenger was slow in ")


def test_nothing_is_slow_before_the_champion_is_known_and_the_limit_is_fixed_by_what_it_takes():
    on_duty = serving(weight=0.5)
    trial = ChallengerTrial(on_duty, 0.01)
    for _ in range(ANSWERS_MIN - 1):
        on_duty.champion.window.answered(0.03, 0.5)
        answer(trial, on_duty.challenger, seconds=9)
    assert (trial.slowness.limit, trial.abort_reason) == (None, None)
    on_duty.champion.window.answered(0.03, 0.5)
    answer(trial, on_duty.challenger, seconds=0.05)
    on_duty.champion.window.answered(3, 0.5)
    answer(trial, on_duty.challenger, seconds=0.05)
    assert trial.slowness.limit == pytest.approx(0.06)
    assert log_e(trial, TrialCheck.LATENCY) < 1


@pytest.mark.parametrize("change", ["cold", "one batch", "one client"])
def test_a_cold_worker_one_stalled_batch_and_one_heavy_client_are_no_evidence_of_slowness(change):
    on_duty = serving(weight=0.5, champion=known_champion())
    trial = ChallengerTrial(on_duty, 0.01)
    on_duty.challenger.workers.warm = change != "cold"
    if change == "one batch":
        on_duty.challenger.workers = SimpleNamespace(warm=True, batches=7)
    for _ in range(200):
        answer(trial, on_duty.champion)
        answer(trial, on_duty.challenger, seconds=1, route_key="a client" if change == "one client" else None)
    assert trial.abort_reason is None


def test_who_waits_in_vain_for_a_busy_challenger_finds_it_slow():
    on_duty = serving(weight=0.5, champion=known_champion())
    trial = ChallengerTrial(on_duty, 0.01)
    for _ in range(100):
        answer(trial, on_duty.champion)
        trial.observe_wait(on_duty.challenger, challenger=True, seconds=0.0, route_key=None)
    assert trial.arms[True].requests == 0
    for _ in range(100):
        answer(trial, on_duty.champion)
        trial.observe_wait(on_duty.challenger, challenger=True, seconds=0.6, route_key=None)
    assert trial.abort_reason.startswith("latency: ")


def test_in_a_stalled_machine_both_arms_are_slow_and_no_trial_is_aborted():
    on_duty = serving(weight=0.1, champion=known_champion())
    trial = ChallengerTrial(on_duty, 0.01)
    for _ in range(500):  # dense traffic: full batches of the champion, small ones of the challenger, equally many
        answer(trial, on_duty.champion, seconds=0.5)
        answer(trial, on_duty.challenger, seconds=0.5)
    assert trial.abort_reason is None


def test_answers_that_crowd_where_they_should_not_abort_the_trial_by_what_the_champion_shows():
    on_duty = serving(weight=0.5, champion=known_champion(), deciles=DECILES)
    trial = ChallengerTrial(on_duty, 0.01)
    for number in range(200):
        answer(trial, on_duty.champion, value=number % 100 / 100)
        answer(trial, on_duty.challenger, value=0.97)
    assert trial.abort_reason.startswith("predictions: ")


@pytest.mark.parametrize("deciles", [(), (0.5,), tuple(reversed(DECILES))])
def test_a_manifest_whose_deciles_are_none_says_nothing_and_stops_nothing(deciles):
    trial = ChallengerTrial(serving(weight=0.5, deciles=deciles), 0.01)
    state = next(state for state in trial.guard.states() if state.check is TrialCheck.PREDICTIONS)
    assert state.reason.endswith("and not known")


def test_what_one_client_asks_again_and_again_is_one_answer():
    on_duty = serving(weight=0.5, champion=known_champion(), deciles=DECILES)
    trial = ChallengerTrial(on_duty, 0.01)
    for number in range(300):
        answer(trial, on_duty.champion, value=number % 100 / 100, route_key=f"client {number}")
        answer(trial, on_duty.challenger, value=0.97, route_key="a machine")
    assert trial.abort_reason is None


def copy(trial, on_duty, value, *, given=0.5, seconds=None, given_seconds=0.004, route_key=None):
    trial.observe_copy(on_duty.challenger, ShadowedAnswer(route_key, given, given_seconds), value, seconds)


def test_a_shadow_that_fails_is_slow_or_disagrees_is_aborted_by_name():
    rules = TrialRules(votes=frozenset(TrialCheck))
    reasons = {}
    for name, copies in {
        "errors": {"value": None},
        "latency": {"value": 0.5, "seconds": 0.2},
        "disagreement": {"value": 0.9},
    }.items():
        on_duty = serving(Mode.SHADOW, 1.0, champion=known_champion(), rules=rules)
        trial = ChallengerTrial(on_duty, 0.01)
        for number in range(100):
            copy(trial, on_duty, **{"given": number % 100 / 100 if name == "latency" else 0.5, **copies})
        reasons[name] = trial.abort_reason
    assert {name: reason.split(":")[0] for name, reason in reasons.items()} == {name: name for name in reasons}


def test_a_shadow_is_not_slow_where_the_champion_was_slow_too():
    on_duty = serving(Mode.SHADOW, 1.0, champion=known_champion())
    trial = ChallengerTrial(on_duty, 0.01)
    for number in range(100):
        copy(trial, on_duty, number / 100, given=number / 100, seconds=0.2, given_seconds=0.3)
    assert trial.abort_reason is None
    assert trial.arms[True].requests == 100


def test_copies_of_one_client_count_once():
    on_duty = serving(Mode.SHADOW, 1.0, champion=known_champion())
    trial = ChallengerTrial(on_duty, 0.01)
    for _ in range(100):
        copy(trial, on_duty, None, route_key="the same")
    assert trial.abort_reason is None
    assert trial.arms[True].errors == 100


def slow_arms(seed, *, weight, challenger_slow, champion_slow):
    """A trial under dense traffic: both arms answer equally many batches, whatever their share of requests."""
    on_duty, draw = serving(weight=weight, champion=known_champion()), random.Random(seed)
    trial = ChallengerTrial(on_duty, 0.01)
    for _ in range(600):
        for version, rate in ((on_duty.challenger, challenger_slow), (on_duty.champion, champion_slow)):
            answer(trial, version, seconds=0.5 if draw.random() < rate else 0.004)
    return trial.abort_reason


@pytest.mark.parametrize("weight", [0.05, 0.25])
def test_of_challengers_as_slow_as_the_champion_none_in_200_is_aborted_and_of_far_slower_ones_all(weight):
    equal = [slow_arms(seed, weight=weight, challenger_slow=0.1, champion_slow=0.1) for seed in range(200)]
    assert sum(reason is not None for reason in equal) == 0  # 0.02 are expected at most
    slower = [slow_arms(seed, weight=weight, challenger_slow=0.6, champion_slow=0.05) for seed in range(20)]
    assert all(reason is not None and reason.startswith("latency: ") for reason in slower)
