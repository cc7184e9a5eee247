"""Changes of what serves: each one is decided on the current release and committed to the release log."""

from collections.abc import Callable
from datetime import UTC, datetime

import stamina
import structlog

from healing.errors import ConfigError, Conflict, IllegalTransition, UsageError
from healing.fence import PROGRAMS
from healing.release import Release
from healing.remedy import Role, role_of, without_model
from releases.log import ReleaseLog, abort_of
from releases.release_root import ReleaseRoot
from releases.signing import keys_in
from releases.trusted_log import Signatures, Signing, TrustedLog
from tasks.config.settings import Settings

log = structlog.get_logger(__name__)

COMMITS_TRIED_MAX = 5  # lost races in a row; there are few writers and each commits within milliseconds
COMMIT_SECONDS_MAX = 60.0  # a rollback loads its candidates again in every attempt


def signing_of(settings: Settings) -> Signing | None:
    """What releases are signed with; None where there is no key pair yet and none is needed.

    ConfigError where signatures are required and the private key is not here.
    """
    keys, required = keys_in(settings.keys_dir), settings.release_signatures
    if keys.private.exists():
        return Signing(keys, required)
    if required is Signatures.REQUIRED:
        raise ConfigError(
            f"expected the private key {keys.private}, because AUTOPILOT_RELEASE_SIGNATURES is {required}, found none; "
            "restore it, or write the release where it is"
        )
    return None


def commit_next(
    release_root: ReleaseRoot, decide: Callable[[Release | None], Release | None], signing: Signing | None = None
) -> Release | None:
    """Append the release that `decide` returns for the current one; None when it returns None: nothing has to change.

    With `signing` it is signed, and LogCorrupt is raised where the current one is not to be obeyed. An abort needs no
    signature. When another writer commits first, `decide` is called again with the new current release. Conflict after
    COMMITS_TRIED_MAX lost races.
    """
    releases = ReleaseLog(release_root)
    following: Release | None = None
    for attempt in stamina.retry_context(
        on=Conflict,
        attempts=COMMITS_TRIED_MAX,
        timeout=COMMIT_SECONDS_MAX,
        wait_initial=0.01,
        wait_max=0.1,
        wait_jitter=0.02,
    ):
        with attempt:
            following = decide(releases.current())
            if following is not None:
                _append(releases, following, signing)
    if following is not None:
        log.info(
            "release_committed",
            pipeline=following.pipeline,
            generation=following.generation,
            reason=following.reason,
            champion=following.champion.version,
            author=following.author,
        )
    return following


def _append(releases: ReleaseLog, following: Release, signing: Signing | None) -> None:
    if signing is None:
        releases.append(following)
    else:
        TrustedLog(releases, signing.keys.public, signing.signatures).append(following, signing.keys)


def abort_trial(
    release_root: ReleaseRoot,
    digest: str | None,
    *,
    author: str,
    incident_id: str | None = None,
    note: str = "",
    fence: bool = False,
) -> Release | None:
    """Abort the trial of `digest` (of any challenger when None); None when that trial is over already.

    With `fence` the same release fences the challenger, for the reason in `note`.
    """

    def decide(current: Release | None) -> Release | None:
        trial = current.challenger if current is not None else None
        if current is None or trial is None or (digest is not None and trial.model.digest != digest):
            return None
        return abort_of(current, author=author, now=_now(), incident_id=incident_id, note=note, fence=fence)

    return commit_next(release_root, decide)


def abort_by_person(release_root: ReleaseRoot, pipeline: str, *, by: str, reason: str, fence: bool) -> Release:
    """Abort the current trial for the person `by`; with `fence` only a person may put the model on trial again.

    UsageError for a name that programs sign with, IllegalTransition when no model is on trial.
    """
    if not by.strip() or by in PROGRAMS:
        raise UsageError(f"expected the name of a person who aborts the trial, found {by!r}; give your name")
    aborted = abort_trial(release_root, None, author=by, note=f"aborted by {by}: {reason}", fence=fence)
    if aborted is None:
        raise IllegalTransition(f"no model of {pipeline} is on trial; see `autopilot release status {pipeline}`")
    return aborted


def drop_fallback(
    release_root: ReleaseRoot,
    digest: str,
    *,
    author: str,
    incident_id: str | None = None,
    signing: Signing | None = None,
) -> Release | None:
    """Write the release again without a broken fallback; None when the model is not a fallback any more."""

    def decide(current: Release | None) -> Release | None:
        if current is None or role_of(current, digest) is not Role.FALLBACK:
            return None
        return without_model(current, digest, author=author, now=_now(), incident_id=incident_id)

    return commit_next(release_root, decide, signing)


def _now() -> datetime:
    return datetime.now(UTC)
