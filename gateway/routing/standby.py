"""A standby: a second gateway of one state directory, with loaded models, that takes over when the first one ends."""

import asyncio
import time

import structlog

from gateway.log.directory_lock import DirectoryLock
from gateway.routing.release_watch import ReleaseWatch

_log = structlog.get_logger(__name__)
_LOCK_POLL_SECONDS = 0.02
_PREPARE_SECONDS = 1.0  # between two reads of the release log


class Standby:
    """Waits for the state directory. It writes nothing there but copies of models, and serves nothing."""

    def __init__(self, lock: DirectoryLock, watch: ReleaseWatch) -> None:
        self._lock = lock
        self._watch = watch

    async def wait(self, ending: asyncio.Event) -> bool:
        """Whether this process holds the directory now; false where `ending` was set before."""
        if self._lock.try_take():
            return True
        self._lock.wait_in_line()
        _log.info("gateway_standby")
        preparing = asyncio.create_task(self._prepare(), name="standby")
        try:
            while not ending.is_set():
                if self._lock.try_take():
                    _log.info("gateway_takes_over")
                    return True
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            return False
        finally:
            preparing.cancel()
            await asyncio.wait([preparing])
            self._lock.leave_line()

    async def _prepare(self) -> None:
        """Have the models of the newest release loaded, and follow the log."""
        started, ready = time.monotonic(), False
        while True:
            try:
                loaded = await self._watch.prepare()
            except Exception as exc:  # noqa: BLE001  a standby that is not warm takes over all the same, later
                _log.warning("standby_not_prepared", reason=repr(exc))
                loaded = False
            if loaded and not ready:
                ready = True
                _log.info("gateway_standby_ready", seconds=round(time.monotonic() - started, 2))
            await asyncio.sleep(_PREPARE_SECONDS if loaded else _LOCK_POLL_SECONDS)
