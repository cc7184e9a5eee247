"""Faults of the release root: it is away or hangs, strange files lie in it, a challenger is corrupt, writers race."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.hour.stage import AUTHOR, Stage
from benchmarks.serving.world import NARROW
from chaos.faults.hanging_release import HangingRelease
from healing.errors import Conflict, IllegalTransition
from healing.release import Release
from releases.log import abort_of, promotion_of, rollback_of

_AWAY_SECONDS = 15.0
_STRAY_SECONDS = 10.0
_TRIAL_SECONDS = 10.0
_WEIGHT = 0.2
_STRAY = ("log/1x.json", "log/notes.txt", "log/.00000001.json.tmp", "models/stray", "log/-1.json")


def take_root_away(stage: Stage) -> None:
    """The release root is gone for a while, as a mount that is lost."""
    away = stage.root.path.with_name(f"{stage.root.path.name}-away")
    stage.root.path.rename(away)
    try:
        time.sleep(_AWAY_SECONDS)
    finally:
        away.rename(stage.root.path)


def hang_root(stage: Stage) -> None:
    """Whoever reads the newest document of the release log waits, as on a mount without a server."""
    following = stage.root.log.latest_generation() + 1
    fault = HangingRelease(path=stage.root.path / "log" / f"{following:08}.json")
    fault.inject()
    try:
        time.sleep(_AWAY_SECONDS)
    finally:
        fault.undo()


def leave_stray_files(stage: Stage) -> None:
    """Files that are no releases and no models, in the release root and in the gateway's own copies and log."""
    copies = stage.state_dir / "cache"
    strays = [folder / name for folder in (stage.root.path, copies) for name in _STRAY]
    strays.append(stage.state_dir / "predictions-0.log")
    for path in strays:
        path.write_bytes(b"\0 no JSON")
    try:
        time.sleep(_STRAY_SECONDS)
    finally:
        for path in strays:
            path.unlink(missing_ok=True)


def put_corrupt_model_on_trial(stage: Stage) -> None:
    """A model with one changed byte is put on trial: it never serves, and the gateway aborts its trial."""
    directory = stage.root.path / "models" / stage.world.digests[NARROW]
    with _changed(directory / "model.skops"):
        trial = stage.put_on_trial(NARROW, _WEIGHT)
        try:
            stage.wait(lambda: stage.root.log.latest_generation() > trial.generation, "the trial to be aborted")
        finally:
            _write(stage, lambda current: abort_of(current, author=AUTHOR, now=datetime.now(UTC)))


def race_releases(stage: Stage) -> None:
    """A promotion and an abort of a canary are written at the same time, and then a rollback where it was promoted."""
    trial = stage.put_on_trial("next", _WEIGHT)
    stage.gateway.wait_for_generation(trial.generation)
    time.sleep(_TRIAL_SECONDS)
    writers = [
        threading.Thread(target=_write, args=(stage, following))
        for following in (
            lambda current: promotion_of(current, author=AUTHOR, now=datetime.now(UTC)),
            lambda current: abort_of(current, author=AUTHOR, now=datetime.now(UTC)),
        )
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    if stage.current().champion != stage.champion:
        time.sleep(_TRIAL_SECONDS)
        _write(stage, lambda current: _rolled_back(stage, current))
    stage.restore_champion()


def _rolled_back(stage: Stage, current: Release) -> Release:
    now, kept = datetime.now(UTC), (stage.fallback,)
    return rollback_of(current, stage.champion, current.baseline, author=AUTHOR, now=now, fallbacks=kept)


def _write(stage: Stage, following: Callable[[Release], Release]) -> None:
    """Append what follows the current release, unless another writer was first."""
    with contextlib.suppress(Conflict, IllegalTransition):
        stage.root.log.append(following(stage.current()))


@contextmanager
def _changed(path: Path) -> Iterator[None]:
    """One byte in the middle of a file is another while the block runs."""
    original = path.read_bytes()
    changed = bytearray(original)
    changed[len(changed) // 2] ^= 0xFF
    path.write_bytes(changed)
    try:
        yield
    finally:
        path.write_bytes(original)
