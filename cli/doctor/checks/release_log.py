"""Whether the release log has every generation, each readable, legal after the one before, and rightly signed."""

from collections.abc import Iterator

from cli.doctor.examined import Examined, error
from cli.doctor.finding import Finding
from healing.errors import AutopilotError
from healing.release import Release, check_transition
from releases.log import ReleaseLog
from releases.signing import keys_in
from releases.trusted_log import TrustedLog

NAME = "release_log"


def find(examined: Examined) -> Iterator[Finding]:
    """One finding per document that is missing, damaged, illegal or not to be trusted."""
    for pipeline in examined.pipelines:
        log = ReleaseLog(examined.settings.release_root(pipeline))
        public_key = keys_in(examined.settings.keys_dir).public
        trusted = TrustedLog(log, public_key, examined.settings.release_signatures) if public_key.exists() else None
        previous: Release | None = None
        for generation in range(1, log.latest_generation() + 1):
            subject = f"release {generation} of {pipeline}"
            try:
                release = log.read(generation)
            except AutopilotError as exc:
                fix = f"restore {log.where(generation)} from a backup, or `autopilot heal {pipeline}`"
                yield error(NAME, subject, "a complete document of the release log", str(exc), fix)
                previous = None
                continue
            yield from _faults(subject, release, previous, trusted, is_first=generation == 1)
            previous = release


def _faults(
    subject: str, release: Release, previous: Release | None, trusted: TrustedLog | None, *, is_first: bool
) -> Iterator[Finding]:
    fix = "find out who wrote it, and move its document out of the log"
    if previous is not None or is_first:
        try:
            check_transition(previous, release)
        except AutopilotError as exc:
            yield error(NAME, subject, "a legal step after the release before it", str(exc), fix)
            return
    try:
        refusal = "" if trusted is None else trusted.refusal(release)
    except AutopilotError as exc:  # it reads the release before, which may be damaged
        refusal = str(exc)
    if refusal:
        yield error(NAME, subject, "a document that the release key signed", refusal, fix)
