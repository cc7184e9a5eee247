"""Whether this user can write the state, and nobody else can."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.examined import Examined, error
from cli.doctor.finding import Finding
from cli.stack.home import check_home
from healing.errors import ConfigError

NAME = "permissions"
_FREE_BYTES = 0  # the check `disk` reports a lack of space


def find(examined: Examined) -> Iterator[Finding]:
    """Modes and owners of the home, of what is in it, and of the release roots; deeper files are not read."""
    home = examined.settings.home
    try:
        check_home(home, _FREE_BYTES)
    except ConfigError as exc:
        yield error(NAME, home, "a directory that this user can write", str(exc), "choose another one with --home")
        return
    if home.exists():
        for path in _paths(examined):
            yield from _faults(path)


def _paths(examined: Examined) -> Iterator[Path]:
    """The home and its entries, then the directories of each pipeline."""
    settings = examined.settings
    yield settings.home
    yield from sorted(settings.home.iterdir())
    for pipeline in examined.pipelines:
        root = settings.release_dir(pipeline)
        state = (root, root / "log", root / "models", settings.lake_dir(pipeline), settings.gateway_dir(pipeline))
        yield from (path for path in state if path.is_dir())


def _faults(path: Path) -> Iterator[Finding]:
    """What is wrong with one path. Modes count also for root, who is not held up by them: the next user is."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return  # a temporary file that has gone since
    wanted = stat.S_IRWXU if stat.S_ISDIR(found.st_mode) else stat.S_IRUSR | stat.S_IWUSR
    shown = f"mode {stat.S_IMODE(found.st_mode):04o}"
    if found.st_uid != os.geteuid() and not os.access(path, os.R_OK | os.W_OK):
        yield error(
            NAME, path, "a path that this user can write", f"one of user {found.st_uid}", f"chown -R $(id -u) {path}"
        )
    elif found.st_uid == os.geteuid() and found.st_mode & wanted != wanted:
        letters = "rwx" if stat.S_ISDIR(found.st_mode) else "rw"
        yield error(NAME, path, f"mode u={letters} for its owner", shown, f"chmod u+{letters} {path}")
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        yield error(
            NAME, path, "a path that only its owner writes", f"{shown}, so that anybody may", f"chmod o-w {path}"
        )
