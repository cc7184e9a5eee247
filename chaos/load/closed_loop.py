"""Closed-loop load: each client sends its next request when the one before was answered."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from chaos.load.answer import Exchange
from chaos.load.connection import Connections, NextRequest, OnExchange
from chaos.load.request import Address

__all__ = ["ClosedLoop"]

PAUSE_SECONDS = 0.05  # after a failure; a client that hammers a dead server measures itself


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """`clients` connections for `seconds_max`; `on_exchange` gets every record in order of completion."""

    url: str
    next_request: NextRequest
    on_exchange: OnExchange
    clients: int
    seconds_max: float
    timeout_seconds: float = 10.0
    stopped: Callable[[], bool] = lambda: False

    async def run(self) -> int:
        """Send until the time is over or `stopped()` turns true, and wait for what is in flight.

        Returns how many requests were sent. Raises what a callback raises.
        """
        indices = itertools.count()
        async with Connections(Address.of(self.url), self.timeout_seconds) as connections:
            with suppress(OSError):  # a server that is down is recorded request by request
                await connections.open(self.clients)
            end = time.monotonic() + self.seconds_max
            async with asyncio.TaskGroup() as clients:
                for _ in range(self.clients):
                    clients.create_task(self._keep_sending(connections, indices, end))
        return next(indices)

    async def _keep_sending(self, connections: Connections, indices: Iterator[int], end: float) -> None:
        while (due := time.monotonic()) < end and not self.stopped():
            index = next(indices)
            exchange = await connections.send(self.next_request(index), index, due)
            self.on_exchange(exchange)
            if _failed(exchange):
                await asyncio.sleep(PAUSE_SECONDS)


def _failed(exchange: Exchange) -> bool:
    return exchange.status is None or exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR
