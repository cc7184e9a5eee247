"""A challenger's trial: the counts of each arm, and the guard that may abort it."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from gateway.guards.slowness import Slowness, TimedVersion
from gateway.guards.window import VersionWindow
from healing.release import Challenger, ModelRef, Release
from healing.trial_evidence import Expected
from healing.trial_guard import TrialGuard
from releases.manifest import Manifest

_LATENCIES_KEPT = 512
_DECILES = 11  # 0, 10 … 100 %
_KEYS_MAX = 10_000  # clients that are known at once; a request of any other counts as if nobody had asked before


class TrialVersion(TimedVersion, Protocol):
    """What a trial reads of a model version."""

    @property
    def window(self) -> VersionWindow: ...

    @property
    def manifest(self) -> Manifest | None: ...


class TrialRelease(Protocol):
    """What a trial reads of the active release."""

    @property
    def release(self) -> Release: ...

    @property
    def champion(self) -> TrialVersion: ...

    @property
    def challenger(self) -> TrialVersion | None: ...


@dataclass(slots=True)
class Arm:
    """What one arm of a trial did in this generation. Latencies in milliseconds, the latest few hundred."""

    requests: int = 0
    errors: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))

    @property
    def latency_p50_ms(self) -> float | None:
        return median(self.latencies) if self.latencies else None


class ClientsSeen:
    """Which clients, by their route keys, have done something before: one that asks again is one observation."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def is_new(self, route_key: str | None) -> bool:
        """Whether this is the first time; always true for a request without a key."""
        if route_key is None:
            return True
        if route_key in self.keys:
            return False
        if len(self.keys) < _KEYS_MAX:
            self.keys.add(route_key)
        return True


@dataclass(frozen=True, slots=True)
class ShadowedAnswer:
    """The answer that the client of a copied request got, and after how many seconds."""

    route_key: str | None
    answer: float
    seconds: float


class ChallengerTrial:
    """A challenger's trial, over all its stages: counts of the present generation, and evidence of the whole trial.

    Of a client's requests only the first failure, the first slow answer and the first answer are evidence.
    """

    def __init__(self, active: TrialRelease, slow_seconds_min: float) -> None:
        self.guard: TrialGuard
        self.arms = {True: Arm(), False: Arm()}
        self.failed, self.slow, self.answered = ClientsSeen(), ClientsSeen(), ClientsSeen()
        self._follow(active)
        rules = self.challenger.rules
        self.slowness = Slowness(rules.slow_factor, slow_seconds_min)
        self.slowness.fix(self._champion.window)
        self.guard = TrialGuard(rules, self.challenger.mode, self.challenger.weight, _expected(active))

    def next_stage(self, active: TrialRelease) -> None:
        """Go on in a release where the challenger's mode and share may differ."""
        self.arms = {True: Arm(), False: Arm()}
        self._follow(active)
        self.slowness.begin_stage()
        self.slowness.fix(self._champion.window)
        self.guard.next_stage(self.challenger.mode, self.challenger.weight)

    @property
    def abort_reason(self) -> str | None:
        """The check that failed and aborts the trial, with its numbers; None while none did."""
        failed = self.guard.aborted_by
        return None if failed is None else f"{failed.check.value}: {failed.reason}"

    def observe_answer(
        self, version: TimedVersion, *, challenger: bool, seconds: float, answer: float, route_key: str | None
    ) -> None:
        """Take a randomised request that the version it fell to answered."""
        arm = self.arms[challenger]
        arm.requests += 1
        arm.latencies.append(1000 * seconds)
        slow = self._judge_time(version, challenger, seconds, route_key)
        counted = answer if self.answered.is_new(route_key) else None
        share = self.slowness.share(self.challenger.weight) if slow else None
        self.guard.observe(challenger, failed=False, slow=slow, answer=counted, slow_share=share)

    def observe_failure(self, *, challenger: bool, route_key: str | None) -> None:
        """Take a randomised request that the version it fell to failed, though another could answer."""
        arm = self.arms[challenger]
        arm.requests += 1
        arm.errors += 1
        self.guard.observe(challenger, True, None, None, self.failed.is_new(route_key))

    def observe_wait(self, version: TimedVersion, *, challenger: bool, seconds: float, route_key: str | None) -> None:
        """Take a randomised request that was not answered within `seconds`, or was foreseen to wait that long."""
        if not self.slowness.exceeded(seconds):
            return
        if self._judge_time(version, challenger, seconds, route_key, under_way=True):
            self.arms[challenger].requests += 1
            share = self.slowness.share(self.challenger.weight)
            self.guard.observe(challenger, failed=False, slow=True, answer=None, slow_share=share)

    def observe_copy(
        self, version: TimedVersion, given: ShadowedAnswer, answer: float | None, seconds: float | None
    ) -> None:
        """Take a copy that the shadow scored, or failed where `answer` is None; `seconds` where it was scored alone.

        Where the champion was slow on the same request, nothing is held against the shadow's time.
        """
        challenger, champion = self.arms[True], self.arms[False]
        challenger.requests += 1
        challenger.errors += answer is None
        champion.requests += 1
        champion.latencies.append(1000 * given.seconds)
        slow = None
        if seconds is not None and answer is not None:
            challenger.latencies.append(1000 * seconds)
            if not self.slowness.exceeded(given.seconds):
                slow = self._judge_time(version, True, seconds, given.route_key)
        seen = self.failed if answer is None else self.answered
        if seen.is_new(given.route_key):
            self.guard.observe_pair(answer is None, slow, answer, given.answer)

    def _judge_time(
        self,
        version: TimedVersion,
        challenger: bool,
        seconds: float,
        route_key: str | None,
        *,
        under_way: bool = False,
    ) -> bool | None:
        if self.slowness.limit is None:
            self.slowness.fix(self._champion.window)
        slow = self.slowness.judge(version, seconds, challenger=challenger, under_way=under_way)
        return None if slow and not self.slow.is_new(route_key) else slow

    def _follow(self, active: TrialRelease) -> None:
        assert active.release.challenger is not None
        self.challenger: Challenger = active.release.challenger
        self.generation = active.release.generation
        self.baseline = active.release.baseline
        self._champion = active.champion

    @property
    def champion(self) -> ModelRef:
        return self._champion.model

    @property
    def champion_digest(self) -> str:
        return self._champion.model.digest


def _expected(active: TrialRelease) -> Expected:
    """The answers that the manifests lead to expect; nothing where an older manifest has no deciles."""
    challenger = None if active.challenger is None else active.challenger.manifest
    return Expected(
        challenger_deciles=_deciles(challenger),
        champion_deciles=_deciles(active.champion.manifest),
        disagreement_distance=None if challenger is None else challenger.reference.disagreement,
    )


def _deciles(manifest: Manifest | None) -> tuple[float, ...]:
    """The deciles; nothing unless there are eleven in ascending order."""
    deciles = () if manifest is None else manifest.reference.answer_deciles
    return deciles if len(deciles) == _DECILES and list(deciles) == sorted(deciles) else ()
