"""Blocking calls to a store that may hang: each in a daemon thread of its own, waited for a bounded time.

A network mount that hangs blocks its callers for ever, and no timeout of the kernel frees them. Threads of a shared
pool would be lost one by one until nothing else runs. So a call that hangs keeps its own thread, at most `calls_max`
may hang, and from then on calls are refused at once until one of them returns.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from healing.errors import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")
CALLS_MAX = 16


class StoreHangs(StoreUnavailable):
    """A store did not answer in time."""


class StoreCalls:
    """`running` counts the calls that have not returned, those that nobody waits for any more included."""

    def __init__(self, calls_max: int = CALLS_MAX) -> None:
        self.running = 0
        self._calls_max = calls_max

    async def run(self, seconds: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `call` returns or raises; StoreHangs where it takes longer than `seconds`."""
        if self.running >= self._calls_max:
            raise StoreHangs(f"{self.running} calls to the store have not returned; check its mount")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def finish(result: T | None, error: BaseException | None) -> None:
            self.running -= 1
            if outcome.done():
                return
            if error is None:
                outcome.set_result(result)  # type: ignore[arg-type]  # None only where T allows it
            else:
                outcome.set_exception(error)

        def work() -> None:
            result, error = None, None
            try:
                result = call(*args, **kwargs)
            except Exception as exc:  # noqa: BLE001  handed to the caller as it is
                error = exc
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(finish, result, error)

        self.running += 1
        threading.Thread(target=work, name=f"store-{getattr(call, '__name__', 'call')}", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                return await outcome
        except TimeoutError as exc:
            raise StoreHangs(f"the store did not answer within {seconds} s; check its mount") from exc
