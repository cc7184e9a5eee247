"""Republish: files of the release root that are missing or damaged are restored from the gateway's verified copy."""

import re
from pathlib import Path

from healing.errors import Corrupt, GatewayUnavailable, IllegalTransition, StoreUnavailable
from healing.incident import AttemptOutcome, Remedy
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from releases.restoring import restore_log, restore_model
from releases.signing import PUBLIC_KEY_FILE
from releases.store import ModelStore
from tasks.incidents.remedy_action import AttemptRun, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_problem_gone
from tasks.runtime import crash_points
from tasks.serving.gateway_client import read_gateway_once, restart_worker

_DIGEST = re.compile(r"[0-9a-f]{64}")


class RepublishRemedy(RemedyAction):
    """Restores the model that the incident is about, or the release log with every model of the current release.

    A sound file is never replaced. Futile if everything is sound, or the copy does not have what is missing.
    """

    remedy = Remedy.REPUBLISH
    verify_seconds_max = 60.0

    def apply(self, context: RemedyContext) -> RemedyResult:
        restored, failure = _restore(context)
        if failure is not None:
            done = f"restored {', '.join(restored)}; then: " if restored else ""
            return RemedyResult(AttemptOutcome.FAILED if restored else AttemptOutcome.FUTILE, f"{done}{failure}")
        if not restored:
            return RemedyResult(AttemptOutcome.FUTILE, "nothing that the gateway keeps a copy of is missing or damaged")
        _load_again(context)
        return RemedyResult(AttemptOutcome.SUCCEEDED, f"restored {', '.join(restored)}")

    def resume(self, context: RemedyContext, run: AttemptRun) -> RemedyResult | None:  # noqa: ARG002
        """Restore what the process that was cut off has left; it may have restored everything."""
        restored, failure = _restore(context)
        if failure is not None:
            return RemedyResult(AttemptOutcome.FAILED, str(failure))
        _load_again(context)
        return RemedyResult(AttemptOutcome.SUCCEEDED, f"restored {', '.join(restored) or 'everything before'}")

    def observe(self, context: RemedyContext) -> Verdict:
        """The files in the release root verify, and the gateway reports the problem no more."""
        root, copy = _roots(context)
        try:
            current = ReleaseLog(root).current()
            for digest in _digests(context, root, copy):
                ModelStore(root).verify(digest, context.settings.keys_dir / PUBLIC_KEY_FILE)
        except (Corrupt, StoreUnavailable) as exc:
            return Verdict("release root", Outcome.FAIL, str(exc), 1)
        if current is None:
            return Verdict("release root", Outcome.FAIL, "the log has no release", 1)
        return observe_problem_gone(context)


def _roots(context: RemedyContext) -> tuple[ReleaseRoot, Path]:
    """The release root, and the copy that the gateway keeps."""
    settings, pipeline = context.settings, context.incident.pipeline
    return settings.release_root(pipeline), settings.gateway_dir(pipeline) / "cache"


def _digests(context: RemedyContext, root: ReleaseRoot, copy: Path) -> list[str]:
    """The incident's model, or all models that the gateway serves and keeps, if it is about no single model."""
    kept = ModelStore(copy).digests()
    if _DIGEST.fullmatch(context.incident.subject):
        return [context.incident.subject]
    current = ReleaseLog(root).current()
    trial = None if current is None else current.challenger
    named = [] if current is None else [current.champion, *current.fallbacks, *([trial.model] if trial else [])]
    return [model.digest for model in named if model.digest in kept]


def _restore(context: RemedyContext) -> tuple[list[str], Exception | None]:
    """What was restored, and why the rest could not be."""
    root, copy = _roots(context)
    restored: list[str] = []
    try:
        restored += [f"release {each}" for each in restore_log(root, copy, crash_points.reached)]
        for digest in _digests(context, root, copy):
            key = context.settings.keys_dir / PUBLIC_KEY_FILE
            files = restore_model(root, copy, digest, key, crash_points.reached)
            restored += [f"{digest[:12]}/{name}" for name in files]
    except (Corrupt, StoreUnavailable, IllegalTransition, OSError) as exc:
        return restored, exc
    return restored, None


def _load_again(context: RemedyContext) -> None:
    """Let the gateway load a restored model whose worker gave up. A gateway that is down loads it when it starts."""
    operate, digest = context.settings.addresses().operate, context.incident.subject
    if operate is None:
        return
    try:
        workers = [each for each in read_gateway_once(operate).workers if each.digest == digest]
        if workers and all(each.state != "ready" for each in workers):
            restart_worker(operate, digest)
    except GatewayUnavailable:
        return


REMEDIES = (RepublishRemedy(),)
