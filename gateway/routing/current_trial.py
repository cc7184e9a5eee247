"""The trial of the active release's challenger: begun, carried from stage to stage, and aborted."""

from collections.abc import Callable

from gateway.guards.trial import ChallengerTrial
from gateway.routing.active_release import ActiveRelease, falls_to_challenger
from gateway.routing.request import PredictRequest
from healing.release import Mode


class CurrentTrial:
    """`trial` is None while the active release has no challenger; `on_abort` is called once per aborted challenger."""

    def __init__(self, begin: Callable[[ActiveRelease], ChallengerTrial]) -> None:
        self.trial: ChallengerTrial | None = None
        self.aborted: str | None = None  # digest of a challenger that gets no more traffic
        self.on_abort: list[Callable[[ChallengerTrial, str], None]] = []
        self._begin = begin

    def follow(self, active: ActiveRelease) -> None:
        """Begin the trial of this release, or go on to its next stage."""
        challenger = active.release.challenger
        if challenger is None or challenger.model.digest != self.aborted:
            self.aborted = None
        if challenger is None:
            self.trial = None
        elif self.trial is not None and self.trial.challenger.model == challenger.model:
            self.trial.next_stage(active)
        else:
            self.trial = self._begin(active)

    def chooses_challenger(self, active: ActiveRelease, request: PredictRequest) -> bool:
        """Whether this request belongs to the challenger's share of a canary."""
        challenger = active.release.challenger
        if challenger is None or active.challenger is None or challenger.model.digest == self.aborted:
            return False
        return challenger.mode is Mode.CANARY and falls_to_challenger(
            challenger, request.route_key or request.request_id
        )

    def canary_of(self, active: ActiveRelease) -> ChallengerTrial | None:
        """The trial that a request belongs to; none when it began under another release than the trial's stage."""
        trial = self.trial
        if trial is None or trial.generation != active.release.generation:
            return None
        return trial if trial.challenger.mode is Mode.CANARY else None

    def judge(self) -> None:
        """Abort the trial once one of its checks failed."""
        if self.trial is not None and (reason := self.trial.abort_reason) is not None:
            self.abort(reason)

    def abort(self, why: str) -> None:
        """Take the challenger's traffic away from the next request on, and notify `on_abort`."""
        trial = self.trial
        if trial is None or self.aborted == trial.challenger.model.digest:
            return
        self.aborted = trial.challenger.model.digest
        for listener in self.on_abort:
            listener(trial, why)
