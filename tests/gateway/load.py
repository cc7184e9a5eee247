"""Clients that keep asking while a test breaks something."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.gateway.running import RunningGateway, split_body, wait_until
from tests.published import tiny_rows


@dataclass(frozen=True)
class Reply:
    """`status` is 0 where the connection broke."""

    request_id: str
    status: int
    rung: str
    digest: str
    seconds: float
    predictions: tuple[float, ...] = ()


@dataclass
class Load:
    """Replies so far, in the order in which they came."""

    replies: list[Reply] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def failed(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status != 200]

    @property
    def rungs(self) -> Counter[str]:
        return Counter(reply.rung for reply in self.replies)

    def wait_for(self, more: int, rung: str | None = None) -> None:
        """Until `more` further requests were answered, by this rung if one is given."""

        def count() -> int:
            return len(self.replies) if rung is None else self.rungs[rung]

        wanted = count() + more
        wait_until(lambda: count() >= wanted, f"{more} more replies of {rung or 'any rung'}; now {self.rungs}")


def _keep_asking(gateway: RunningGateway, load: Load, rows: list[list[Any]], name: str) -> None:
    with httpx.Client(base_url=gateway.predict.base_url, timeout=20) as client:
        number = 0
        while not load.stopping.is_set():
            number += 1
            request_id = f"{name}-{number}"
            started = time.monotonic()
            body = split_body([rows[number % len(rows)]], keys=[request_id])
            try:
                reply = client.post("/invocations", json=body, headers={"x-request-id": request_id})
            except httpx.TransportError:
                load.replies.append(Reply(request_id, 0, "none", "", time.monotonic() - started))
                if gateway.process.poll() is not None:
                    return
                continue
            load.replies.append(
                Reply(
                    request_id,
                    reply.status_code,
                    reply.headers.get("x-rung", "none"),
                    reply.headers.get("x-model-digest", ""),
                    time.monotonic() - started,
                    tuple(reply.json().get("predictions", ())),
                )
            )


@contextmanager
def keep_asking(gateway: RunningGateway, *, clients: int = 4, rows: list[list[Any]] | None = None) -> Iterator[Load]:
    """`clients` threads ask one row after the other until the block ends."""
    load = Load()
    rows = tiny_rows(64) if rows is None else rows
    threads = [
        threading.Thread(target=_keep_asking, args=(gateway, load, rows, f"{gateway.process.pid}.{i}"))
        for i in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join()
