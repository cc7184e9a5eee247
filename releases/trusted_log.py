"""Which documents of the release log are obeyed: those that the release key signed, and those that only take away.

A gateway holds no private key and writes aborts itself. An abort introduces no model, so it needs no signature
(docs/decisions/0034-signed-release-documents.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from healing.errors import IllegalTransition, LogCorrupt
from healing.release import Reason, Release, check_transition
from healing.remedy import passed_trial
from releases.log import ReleaseLog
from releases.release_signature import is_signed_by, sign_release
from releases.signing import Keys


class Signatures(StrEnum):
    """Which documents need a signature. A signature that is wrong is refused in any case."""

    IF_PRESENT = "if-present"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Signing:
    """What a writer of releases signs with, and which signatures it expects."""

    keys: Keys
    signatures: Signatures


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """The release log as far as it is to be obeyed."""

    log: ReleaseLog
    public_key: Path
    signatures: Signatures

    def newest(self, after: int) -> tuple[Release | None, str]:
        """The newest trusted release above generation `after`, if there is one, and why newer ones are refused."""
        first_refusal = ""
        for generation in range(self.log.latest_generation(), after, -1):
            release = self.log.read(generation)
            refusal = self.refusal(release)
            if not refusal:
                return release, first_refusal
            first_refusal = first_refusal or refusal
        return None, first_refusal

    def refusal(self, release: Release) -> str:
        """Why a release of the log is not to be obeyed; empty where it is."""
        what = f"release {release.generation} ({release.reason} by {release.author!r})"
        if release.signature:
            trusted = is_signed_by(release, self.public_key)
            return "" if trusted else f"the signature of {what} is not valid under {self.public_key.name}"
        if self.signatures is Signatures.IF_PRESENT or self._takes_away(release):
            return ""
        return f"{what} is not signed"

    def append(self, release: Release, keys: Keys) -> None:
        """Sign a release and commit it. LogCorrupt where the current one is not to be obeyed: what follows a forged
        release would sign what the forger wrote."""
        current = self.log.current()
        if current is not None and (refusal := self.refusal(current)):
            raise LogCorrupt(f"{refusal}; find out who wrote it, and move its document out of the log")
        self.log.append(release, partial(sign_release, private_key=keys.private))

    def _takes_away(self, release: Release) -> bool:
        """Whether an unsigned release only ends a trial, or undoes the promotion that ended it."""
        if release.generation == 1 or release.reason not in (Reason.ABORT, Reason.ROLLBACK):
            return False
        previous = self.log.read(release.generation - 1)
        try:
            check_transition(previous, release)
        except IllegalTransition:
            return False
        if self.refusal(previous):
            return False
        if release.reason is Reason.ABORT:
            return _aborts_only(previous, release)
        return _undoes(self._promotion_of(previous), previous, release)

    def _promotion_of(self, release: Release) -> tuple[Release, Release] | None:
        """The promotion that made the champion of `release`, and the release before it; None for another beginning."""
        for later, earlier in _pairs(self.log, release):
            if later.champion.digest != earlier.champion.digest:
                return (later, earlier) if passed_trial(earlier, later) else None
        return None


def _pairs(log: ReleaseLog, newest: Release) -> Iterator[tuple[Release, Release]]:
    """Each release with the one before it, newest first."""
    later = newest
    for generation in range(newest.generation - 1, 0, -1):
        earlier = log.read(generation)
        yield later, earlier
        later = earlier


def _aborts_only(previous: Release, release: Release) -> bool:
    """The same champion, fallbacks and baseline, no challenger, and at most a fence on the challenger."""
    assert previous.challenger is not None  # check_transition allows an abort only after a trial
    new = {fence.digest for fence in release.fenced} - {fence.digest for fence in previous.fenced}
    kept = set(previous.fenced) <= set(release.fenced)
    return (
        (release.champion, release.fallbacks) == (previous.champion, previous.fallbacks)
        and release.baseline == previous.baseline
        and release.unfenced_by is None
        and release.challenger is None
        and kept
        and new <= {previous.challenger.model.digest}
    )


def _undoes(promotion: tuple[Release, Release] | None, previous: Release, release: Release) -> bool:
    """Whether a rollback makes the champion from before a promotion champion again, and names no model besides."""
    if promotion is None or release.challenger is not None or release.unfenced_by is not None:
        return False
    _, before = promotion
    known = {model.digest for model in (before.champion, *before.fallbacks, *previous.fallbacks)}
    return (
        release.champion == before.champion
        and release.baseline == before.baseline
        and all(model.digest in known for model in release.fallbacks)
    )
