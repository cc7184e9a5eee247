"""Whether the files of the champion, of its challenger and of its fallbacks are intact."""

from collections.abc import Iterator

from cli.doctor.examined import Examined, error, warning
from cli.doctor.finding import Finding
from healing.errors import AutopilotError
from healing.release import ModelRef, Release
from releases.log import ReleaseLog
from releases.signing import keys_in
from releases.store import ModelStore

NAME = "models"


def find(examined: Examined) -> Iterator[Finding]:
    """Verify digests and signature of every model that the current release names."""
    for pipeline in examined.pipelines:
        root = examined.settings.release_root(pipeline)
        try:
            release = ReleaseLog(root).current()
        except AutopilotError:
            continue  # the check `release_log` reports it
        store, public_key = ModelStore(root), keys_in(examined.settings.keys_dir).public
        for role, model in _models(release):
            try:
                store.verify(model.digest, public_key) if public_key.exists() else store.verify_digests(model.digest)
            except AutopilotError as exc:
                kind = warning if role == "fallback" else error
                fix = f"autopilot heal {pipeline} (restores it, or rolls back), or `autopilot rollback {pipeline}`"
                subject = f"{role} {model.version} of {pipeline}"
                yield kind(NAME, subject, "the files that were published", str(exc), fix)


def _models(release: Release | None) -> Iterator[tuple[str, ModelRef]]:
    if release is None:
        return
    yield "champion", release.champion
    if release.challenger is not None:
        yield "challenger", release.challenger.model
    yield from (("fallback", model) for model in release.fallbacks)
