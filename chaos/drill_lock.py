"""One drill at a time on a home, the switch that stops it, and the faults that earlier drills left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from chaos import leftovers
from chaos.experiment_files import WrongUsage

__all__ = ["check_leftovers", "clear_leftovers", "only_drill", "request_stop", "stop_file"]

LOCK_FILE = "lock"
STOP_FILE = "stop"


def stop_file(home: Path) -> Path:
    """The file that asks the drill that runs on `home` to end."""
    return home / "drills" / STOP_FILE


def check_leftovers(home: Path) -> None:
    """Refuse to measure a stack that an earlier drill has left broken. The lock of drills is held."""
    left = leftovers.find(home)
    if left:
        raise WrongUsage(
            f"faults of earlier drills are still active: {', '.join(each.title for each in left)}; undo them with "
            f"`autopilot drill clear`"
        )


def request_stop(home: Path) -> None:
    """Ask the drill that runs on `home` to undo its faults and end; WrongUsage when none runs."""
    nothing = f"no drill runs on {home}"
    if not (home / "drills").is_dir():
        raise WrongUsage(nothing)
    try:
        with FileLock(home / "drills" / LOCK_FILE, timeout=0):
            raise WrongUsage(nothing)
    except Timeout:
        stop_file(home).touch()


def clear_leftovers(home: Path) -> list[str]:
    """Undo the faults that earlier drills left; return their titles. WrongUsage while a drill runs, or when one fails.

    A fault of a stack elsewhere can be undone with its target file only, which has the credentials.
    """
    if not (home / "drills").is_dir():
        return []
    with only_drill(home.absolute()):
        try:
            return [each.title for each in leftovers.clear(home.absolute())]
        except httpx.HTTPError as exc:
            raise WrongUsage(
                f"a fault could not be undone, found {exc!r}; start its stack, or name its file with --target"
            ) from exc


@contextmanager
def only_drill(home: Path) -> Iterator[None]:
    """Hold the lock of drills: two at once would observe each other's faults."""
    (home / "drills").mkdir(parents=True, exist_ok=True)
    stop = stop_file(home)
    try:
        with FileLock(home / "drills" / LOCK_FILE, timeout=0):
            stop.unlink(missing_ok=True)
            try:
                yield
            finally:
                stop.unlink(missing_ok=True)
    except Timeout as exc:
        raise WrongUsage(f"another drill runs on {home}; wait until it has ended") from exc
