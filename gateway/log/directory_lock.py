"""The locks of a state directory: one gateway writes its log, and at most one more waits as its standby."""

from pathlib import Path

from filelock import FileLock, Timeout

from healing.errors import StoreUnavailable

LOCK_FILE = "gateway.lock"
STANDBY_LOCK_FILE = "standby.lock"
_STANDBY_SECONDS = 1.0  # the active gateway holds this lock for microseconds when it asks whether a standby waits


class DirectoryLock:
    """The kernel releases both locks however their process ends. Call it on one thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer = FileLock(directory / LOCK_FILE)
        self._standby = FileLock(directory / STANDBY_LOCK_FILE)

    def take(self) -> None:
        """Become the writer; StoreUnavailable while another gateway is."""
        if not self.try_take():
            raise StoreUnavailable(
                f"the state directory {self._directory} is in use by another gateway; give each one a --state-dir of "
                "its own, or start this one with --standby to take over when the other ends"
            )

    def try_take(self) -> bool:
        """Whether this process is the writer now. StoreUnavailable when the directory cannot be written."""
        return self._writer.is_locked or self._acquire(self._writer, 0)

    def wait_in_line(self) -> None:
        """Become the standby; StoreUnavailable while another gateway is."""
        if not self._acquire(self._standby, _STANDBY_SECONDS):
            raise StoreUnavailable(
                f"the state directory {self._directory} has another standby; end it first, or start no second one"
            )

    def leave_line(self) -> None:
        """Let another gateway become the standby."""
        self._standby.release()

    @property
    def awaited(self) -> bool:
        """Whether a standby waits for this process to end."""
        if not self._acquire(self._standby, 0):
            return True
        self._standby.release()
        return False

    def release(self) -> None:
        self._writer.release()

    def _acquire(self, lock: FileLock, seconds: float) -> bool:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=seconds, poll_interval=0.02)
        except Timeout:
            return False
        except OSError as exc:
            raise StoreUnavailable(
                f"the prediction log in {self._directory} cannot be opened for writing: {exc}"
            ) from exc
        return True
