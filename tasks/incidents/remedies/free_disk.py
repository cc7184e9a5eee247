"""Free disk: what nobody needs any more is deleted: leftovers, old reports, and models that nothing names.

Never the lake, the release log, the ledger, quarantine or the prediction log: the candidates are listed by where they
are, and nothing else is looked at.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from healing.errors import Transient
from healing.incident import AttemptOutcome, Remedy
from healing.release import Release
from healing.verdict import Verdict
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot, directory_of
from releases.store import ModelStore
from tasks.config.settings import Settings
from tasks.incidents.remedy_action import AttemptRun, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_problem_gone
from tasks.ledger.store import Ledger
from tasks.rollout.trial_controller_lease import may_be_controlled
from tasks.runtime import crash_points
from tasks.runtime.file_locks import is_held

log = structlog.get_logger(__name__)

HOUR_SECONDS = 3_600.0
LEFTOVER_SECONDS = 24 * HOUR_SECONDS  # of a process that was killed; no flow run lasts that long
REPORT_SECONDS = 7 * 24 * HOUR_SECONDS
MODEL_SECONDS = 24 * HOUR_SECONDS  # a model that was published and not released yet
REMOVE_SECONDS_MAX = 20.0  # then the next attempt goes on
NAMED_MAX = 20  # in the note of the attempt

_RETRAIN_LOCK = "retrain.lock"  # its holder may be about to release a model, like the controller of a trial


@dataclass(frozen=True, slots=True)
class Removable:
    """A file or directory that may be deleted, and the bytes of its files."""

    path: Path
    size_bytes: int


class FreeDiskRemedy(RemedyAction):
    """Deletes the candidates, each in one rename first, so that a process that is killed leaves nothing half there."""

    remedy = Remedy.FREE_DISK
    verify_seconds_max = 30.0

    def apply(self, context: RemedyContext) -> RemedyResult:
        found = list(removables(context.settings, context.incident.pipeline, context.ledger))
        if not found:
            return RemedyResult(AttemptOutcome.FUTILE, "nothing that may be deleted is left; a person must free space")
        _record(context, found)
        removed = _remove(found)
        freed = sum(each.size_bytes for each in removed)
        note = f"freed {freed / 2**20:.1f} MiB: {_named(context.settings.home, removed)}"
        return RemedyResult(AttemptOutcome.SUCCEEDED if removed else AttemptOutcome.FAILED, note)

    def resume(self, context: RemedyContext, run: AttemptRun) -> RemedyResult | None:  # noqa: ARG002
        """Delete what the process that was cut off has left; it may have deleted everything."""
        result = self.apply(context)
        if result.outcome is not AttemptOutcome.FUTILE:
            return result
        return RemedyResult(AttemptOutcome.SUCCEEDED, "everything that may be deleted was deleted before")

    def observe(self, context: RemedyContext) -> Verdict:
        return observe_problem_gone(context)


def removables(settings: Settings, pipeline: str, ledger: Ledger) -> Iterator[Removable]:
    """What may be deleted now, the least valuable first."""
    now = time.time()
    root = settings.release_root(pipeline)
    directory = directory_of(root)
    leftovers = [
        *_children(settings.home / "tmp"),  # working directories of flow runs
        *(settings.home / "healer" / "runs").glob("*.log"),  # the record beside it stays: it is an idempotency key
        *(directory / "models").glob(".[pcd]*ing-*"),  # of publishing, copying and deleting
        *(settings.gateway_dir(pipeline) / "cache" / "models").glob(".copying-*"),
    ]
    yield from _older(leftovers, now - LEFTOVER_SECONDS)
    reports = [file for file in settings.reports_dir.rglob("*") if file.is_file()]
    post_mortems = settings.reports_dir / pipeline / "incidents"  # small, and what people learn from
    yield from _older((f for f in reports if not f.is_relative_to(post_mortems)), now - REPORT_SECONDS)
    if not (is_held(directory / _RETRAIN_LOCK) or may_be_controlled(settings.ledger_dsn, pipeline)):
        yield from _older(_unnamed_models(root, pipeline, ledger), now - MODEL_SECONDS)


def _unnamed_models(root: ReleaseRoot, pipeline: str, ledger: Ledger) -> list[Path]:
    """Models that no release of the log, no fence and no retrain on record names. A damaged log names everything."""
    history = ReleaseLog(root).history()
    if not history:
        return []
    named = {digest for release in history for digest in _digests_of(release)}
    named |= {str(entry.detail.get("digest")) for entry in ledger.entries(pipeline, "retrain.finished")}
    store = ModelStore(directory_of(root))  # with an object store, the copies of models on this disk
    return [store.path(digest) for digest in store.digests() if digest not in named]


def _digests_of(release: Release) -> Iterator[str]:
    yield from (release.champion.digest, *(model.digest for model in release.fallbacks))
    yield from (fence.digest for fence in release.fenced)
    if release.challenger is not None:
        yield release.challenger.model.digest


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _older(paths: "Iterator[Path] | list[Path]", before: float) -> Iterator[Removable]:
    """Those of which nothing changed since `before` (epoch seconds)."""
    for path in paths:
        with contextlib.suppress(OSError):  # it was deleted meanwhile
            files = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
            states = [file.lstat() for file in files]
            if max(state.st_mtime for state in states) < before:
                yield Removable(path, sum(state.st_blocks * 512 for state in states))


def _remove(found: list[Removable]) -> list[Removable]:
    """Delete them, for REMOVE_SECONDS_MAX at most, and return those that are gone."""
    deadline = time.monotonic() + REMOVE_SECONDS_MAX
    removed = []
    for each in found:
        if time.monotonic() > deadline:
            break
        try:
            _delete(each.path)
        except OSError as exc:
            log.warning("not_removed", path=str(each.path), reason=str(exc))
            continue
        removed.append(each)
        crash_points.reached("free_disk.removed", path=each.path.name)
    return removed


def _delete(path: Path) -> None:
    """Delete a file, or a directory under another name, so that nobody takes the rest of it for a model."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    hidden = path if path.name.startswith(".deleting-") else path.with_name(f".deleting-{path.name}")
    path.rename(hidden)
    crash_points.reached("free_disk.renamed", path=path.name)
    shutil.rmtree(hidden)


def _record(context: RemedyContext, found: list[Removable]) -> None:
    """Record what is going to be deleted. The full disk may be that of the ledger, which must not stop the remedy."""
    home = context.settings.home
    listed = {"paths": [_relative(home, each.path) for each in found[:1000]], "count": len(found)}
    try:
        context.ledger.record_entry(context.incident.pipeline, "disk.freeing", context.incident.id, listed)
    except Transient as exc:
        log.warning("removal_not_recorded", cause=str(exc), **listed)


def _named(home: Path, removed: list[Removable]) -> str:
    names = ", ".join(_relative(home, each.path) for each in removed[:NAMED_MAX])
    more = len(removed) - NAMED_MAX
    return names + (f" and {more} more" if more > 0 else "")


def _relative(home: Path, path: Path) -> str:
    return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)


REMEDIES = (FreeDiskRemedy(),)
