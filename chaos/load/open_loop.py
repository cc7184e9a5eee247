"""Open-loop load: requests leave on schedule, whether or not earlier ones were answered.

A closed loop waits for its answers, so it sends less exactly when the system is slow, and its latencies hide the wait
(coordinated omission). Here request `i` is due at `start + i / rate`, and its latency counts from that moment.
Count, time and requests in flight are bounded.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from chaos.load.answer import Exchange, Lost
from chaos.load.connection import Connections, NextRequest, OnExchange
from chaos.load.request import Address

__all__ = ["OpenLoop"]

STOP_CHECK_SECONDS = 0.25  # how late a stop may be noticed at a low rate
TICK_SECONDS = 0.001  # at rates above one request per tick, several leave together


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Sends `next_request(i)` to `url` at a constant rate; `on_exchange` gets every record in order of completion.

    It ends after `requests_max` requests or `seconds_max` seconds, or soon after `stopped()` turns true, and then waits
    for what is in flight. At `in_flight_max` unanswered requests the next one waits for a place, and its latency goes
    on counting from when it was due; with `drop_when_full` it is recorded as unsent instead.
    """

    url: str
    next_request: NextRequest
    on_exchange: OnExchange
    rate_per_second: float
    requests_max: int
    seconds_max: float
    timeout_seconds: float = 5.0
    in_flight_max: int = 256
    drop_when_full: bool = False
    stopped: Callable[[], bool] = lambda: False

    async def run(self) -> int:
        """Send until a bound is met; return how many requests were due. Raises what a callback raises."""
        places = asyncio.Semaphore(self.in_flight_max)
        async with (
            Connections(Address.of(self.url), self.timeout_seconds) as connections,
            asyncio.TaskGroup() as requests,
        ):
            start = time.monotonic()
            for index in range(self.requests_max):
                due = start + index / self.rate_per_second
                if due - start >= self.seconds_max or not await self._wait_until(due):
                    return index
                if self.drop_when_full and places.locked():
                    self.on_exchange(Exchange(index, "", due, due, time.monotonic(), lost=Lost.UNSENT))
                    continue
                await places.acquire()
                if time.monotonic() - start >= self.seconds_max or self.stopped():
                    return index
                requests.create_task(self._send(connections, places, index, due))
        return self.requests_max

    async def _wait_until(self, due: float) -> bool:
        """Sleep until `due`; False when stopped meanwhile."""
        while not self.stopped():
            left = due - time.monotonic()
            if left <= 0:
                return True
            await asyncio.sleep(min(max(left, TICK_SECONDS), STOP_CHECK_SECONDS))
        return False

    async def _send(self, connections: Connections, places: asyncio.Semaphore, index: int, due: float) -> None:
        try:
            exchange = await connections.send(self.next_request(index), index, due)
        finally:
            places.release()
        self.on_exchange(exchange)
