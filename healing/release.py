"""A release, which says what should serve, and which release may follow which."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from healing.ab_rules import ABRules
from healing.errors import IllegalTransition
from healing.fence import Fence, check_lifted, check_unfenced
from healing.trial_rules import DEFAULT_RULES, TrialRules

WEIGHT_STEPS = 1000  # traffic weights move in steps of 0.1 %
FALLBACKS_MAX = 3  # each is a warm process; a request tries no more before the baseline answer


class Reason(StrEnum):
    """Why a release was written."""

    BOOTSTRAP = "bootstrap"  # the first champion
    CANARY = "canary"  # a challenger takes a share of traffic, or its share changes
    SHADOW = "shadow"  # a challenger scores copies of traffic
    PROMOTE = "promote"  # the challenger becomes champion
    ABORT = "abort"  # the trial ends without promotion
    ROLLBACK = "rollback"  # an earlier champion serves again, and the current one is fenced
    RETURN = "return"  # an earlier champion serves again, after a trial or without, and the current one is not fenced
    REPUBLISH = "republish"  # the same champion again, for example after its files were restored


class Mode(StrEnum):
    """How a challenger gets traffic."""

    SHADOW = "shadow"  # scores copies of requests, and answers none
    CANARY = "canary"  # answers its share of requests


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A published model: SHA-256 of its manifest (64 hex digits) and its semantic version."""

    digest: str
    version: str


@dataclass(frozen=True, slots=True)
class Challenger:
    """A model on trial. `weight` is the share of requests it answers (canary) or copies (shadow), in [0, 1].

    With `ab` the canary is an A/B test: share and rules stay as they are until the trial ends.
    """

    model: ModelRef
    mode: Mode
    weight: float
    rules: TrialRules = DEFAULT_RULES
    ab: ABRules | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """One document of the release log; the highest generation is what should serve.

    `fallbacks` stay warm and answer, in order, when the champion cannot; `baseline` is the answer when no model can
    (for a classifier, the share of the positive class in training). `fenced` models may neither challenge nor serve.
    Every release keeps the fences of the one before it, except one that the person `unfenced_by` lifts. `signature` is
    that of its document in the log; it says nothing about what serves, so it is not compared.
    """

    generation: int
    created_at: datetime
    pipeline: str
    author: str
    reason: Reason
    champion: ModelRef
    baseline: float
    challenger: Challenger | None = None
    fallbacks: tuple[ModelRef, ...] = ()
    incident_id: str | None = None
    note: str = ""
    fenced: tuple[Fence, ...] = ()
    unfenced_by: str | None = None
    signature: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _check_document(self)

    def fence_of(self, digest: str) -> Fence | None:
        """The model's fence, None when it has none."""
        return next((fence for fence in self.fenced if fence.digest == digest), None)


def _check_document(release: Release) -> None:
    """Raise IllegalTransition when the document contradicts itself."""
    if release.created_at.tzinfo is None:
        raise IllegalTransition(f"release {release.generation}: created_at needs a timezone, found a naive time")
    if release.generation < 1:
        raise IllegalTransition(f"generations count from 1, found {release.generation}")
    served = [release.champion, *release.fallbacks]
    if len({model.digest for model in served}) != len(served):
        raise IllegalTransition(f"release {release.generation} names a model twice among champion and fallbacks")
    if len(release.fallbacks) > FALLBACKS_MAX:
        raise IllegalTransition(f"at most {FALLBACKS_MAX} fallbacks are kept warm, found {len(release.fallbacks)}")
    challenger = release.challenger
    named = {model.digest for model in served} | ({challenger.model.digest} if challenger is not None else set())
    check_unfenced(release.fenced, named)
    if challenger is None:
        if release.reason in (Reason.CANARY, Reason.SHADOW):
            raise IllegalTransition(f"a {release.reason} release needs a challenger, found none")
        return
    if release.reason not in (Reason.CANARY, Reason.SHADOW, Reason.REPUBLISH):
        raise IllegalTransition(f"a {release.reason} release ends the trial, found challenger {challenger.model}")
    if challenger.model.digest == release.champion.digest:
        raise IllegalTransition(f"release {release.generation} has champion {challenger.model} challenge itself")
    _check_share(challenger)


def _check_share(challenger: Challenger) -> None:
    """Raise IllegalTransition unless the share is one that the gateway can hold."""
    steps = challenger.weight * WEIGHT_STEPS
    if not 0 <= challenger.weight <= 1 or abs(steps - round(steps)) > 1e-6:
        raise IllegalTransition(f"a weight is in [0, 1] in steps of 0.001, found {challenger.weight}")
    if challenger.ab is not None and not (challenger.mode is Mode.CANARY and 0 < challenger.weight < 1):
        raise IllegalTransition(
            f"an A/B test is a canary with a weight between 0 and 1, found {challenger.mode} at {challenger.weight}"
        )


def check_transition(previous: Release | None, following: Release) -> None:
    """Raise IllegalTransition unless `following` may be written after `previous` (None for an empty log)."""
    if previous is None:
        if following.generation != 1 or following.reason is not Reason.BOOTSTRAP:
            raise IllegalTransition(
                f"an empty log starts with generation 1 and reason bootstrap, found generation "
                f"{following.generation} and reason {following.reason}"
            )
        check_lifted((), following.fenced, following.unfenced_by, None)
        return
    if following.generation != previous.generation + 1:
        raise IllegalTransition(
            f"expected generation {previous.generation + 1} after {previous.generation}, found {following.generation}"
        )
    if following.pipeline != previous.pipeline:
        raise IllegalTransition(f"this log belongs to pipeline {previous.pipeline!r}, found {following.pipeline!r}")
    _check_champion(previous, following)
    _check_challenger(previous, following)
    _check_fences(previous, following)


def _check_champion(previous: Release, following: Release) -> None:
    """Only a promotion, a rollback and a return change the champion."""
    changed = following.champion.digest != previous.champion.digest
    match following.reason:
        case Reason.BOOTSTRAP:
            raise IllegalTransition("bootstrap writes the first release only; this log already has a champion")
        case Reason.PROMOTE:
            if previous.challenger is None or following.champion.digest != previous.challenger.model.digest:
                raise IllegalTransition(f"only the challenger on trial can be promoted, found {following.champion}")
        case Reason.ROLLBACK:
            if not changed:
                raise IllegalTransition(f"a rollback replaces champion {previous.champion}, found the same one")
        case Reason.RETURN:
            if not changed:
                raise IllegalTransition(f"a return replaces champion {previous.champion}, found the same one")
        case _:
            if changed:
                raise IllegalTransition(f"a {following.reason} release keeps champion {previous.champion}")


def _check_challenger(previous: Release, following: Release) -> None:
    """One challenger at a time; an abort needs one. The rules of an A/B test do not change while it runs."""
    if following.reason is Reason.ABORT and previous.challenger is None:
        raise IllegalTransition("there is no challenger to abort; re-read the log")
    if following.challenger is None or previous.challenger is None:
        return
    if following.challenger.model.digest != previous.challenger.model.digest:
        raise IllegalTransition(f"challenger {previous.challenger.model} is still on trial; abort or promote it first")
    if previous.challenger.ab is not None and following.challenger != previous.challenger:
        raise IllegalTransition("share and rules of an A/B test are fixed; abort or promote its challenger first")


def _check_fences(previous: Release, following: Release) -> None:
    """A rollback fences the champion that it replaces; `healing.fence` has the rules for lifting a fence."""
    trial = following.challenger
    let_in = following.champion.digest if trial is None else trial.model.digest
    check_lifted(previous.fenced, following.fenced, following.unfenced_by, let_in)
    if following.reason is Reason.ROLLBACK and following.fence_of(previous.champion.digest) is None:
        raise IllegalTransition(f"a rollback fences the old champion, found no fence on {previous.champion}")
