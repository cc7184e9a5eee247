"""Locks of a pipeline's lake: one per group of tables that the same process writes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import StrEnum

from releases.release_root import directory_of
from tasks.lake.lake_root import LakeRoot
from tasks.runtime.file_locks import exclusive


class WriteLock(StrEnum):
    """Name of a lock file, and which tables it is for."""

    INGEST = "ingest.lock"  # the pipeline's own tables, and its features
    PREDICTIONS = "predictions.lock"  # what the gateway logs: predictions, shadow scores, feedback
    CHECKS = "checks.lock"  # the verdicts of the monitor


LOCK_SECONDS_MAX = 600.0  # a batch takes seconds; a run that waits longer has met a backfill, or a run that hangs


def write_lock(
    lake_root: LakeRoot, lock: WriteLock, seconds_max: float = LOCK_SECONDS_MAX
) -> AbstractContextManager[None]:
    """Hold one lock; waits while another process of this machine has it. Conflict after `seconds_max`.

    Writers on other hosts are kept apart by Delta's commits alone: of two that compared the same version, one wins.
    """
    held = (
        f"expected to write to {lake_root} within {seconds_max:g} s, found {lock} held by another run; "
        "wait until it ends, or cancel it"
    )
    return exclusive(directory_of(lake_root) / lock, seconds_max=seconds_max, when_held=held)


@contextmanager
def all_write_locks(lake_root: LakeRoot) -> Iterator[None]:
    """Hold every lock, so that no process of this machine writes to the lake."""
    with ExitStack() as held:
        for lock in WriteLock:
            held.enter_context(write_lock(lake_root, lock))
        yield
