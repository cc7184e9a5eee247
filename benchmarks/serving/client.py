"""The client that every server meets: one event loop, a raw protocol a connection, requests encoded beforehand.

    python benchmarks/serving/client.py < spec.json

A process of its own and cheap, so that on a small machine it is the server that is measured. It writes down every
request and judges nothing. Closed loop: each connection asks again once it was answered. Open loop (`rate`): requests
leave on a schedule, whether earlier ones were answered or not, and a request's time counts from when it was due.

Per request, in arrays of equal length: `due` and `ended` (seconds, CLOCK_MONOTONIC, the same in every process),
`status`, `marks` (bit n: the answer's head holds the n-th mark), `row` (which request was sent).
"""

import asyncio
import json
import resource
import sys
import time
from array import array
from collections import deque
from pathlib import Path
from typing import Any, cast

import uvloop

BROKEN, SILENT, UNSENT = 0, -1, -2  # statuses of requests that no server answered
_PAUSE_SECONDS = 0.05  # after a failure; a client that hammers a dead server measures itself
_TICK_SECONDS = 0.001
_DESCRIPTORS_SPARE = 64


class Tally:
    """Every request that ended; samples keep the whole body of a few answers, by the row that was asked."""

    def __init__(self, marks: list[bytes], samples_max: int) -> None:
        self.due, self.ended = array("d"), array("d")
        self.status, self.marks, self.row = array("h"), array("B"), array("I")
        self.samples: list[tuple[int, int, str]] = []
        self._marks = [(mark.lower(), 1 << n) for n, mark in enumerate(marks)]
        self._samples_max = samples_max

    def add(self, due: float, status: int, row: int, head: bytes = b"", body: bytes = b"") -> None:
        self.due.append(due)
        self.ended.append(time.monotonic())
        self.status.append(status)
        self.row.append(row)
        found = 0
        for mark, bit in self._marks:
            if mark in head:
                found |= bit
        self.marks.append(found)
        if len(self.samples) < self._samples_max and status == 200:
            self.samples.append((row, found, body.decode("latin-1")))

    def write(self, folder: Path) -> None:
        for name in ("due", "ended", "status", "marks", "row"):
            (folder / name).write_bytes(getattr(self, name).tobytes())
        (folder / "samples.json").write_text(json.dumps(self.samples))


class Load:
    """What to send, and who may send next."""

    def __init__(self, spec: dict[str, Any], requests: list[bytes], tally: Tally) -> None:
        self.host, self.port = spec["host"], spec["port"]
        self.silent_seconds = spec["silent_seconds"]
        self.open_loop = spec["rate"] is not None
        self.requests = requests
        self.tally = tally
        self.stopping = False
        self.idle: deque[Connection] = deque()
        self._next = 0

    def take(self) -> int:
        row = self._next
        self._next = row + 1 if row + 1 < len(self.requests) else 0
        return row


class Connection(asyncio.Protocol):
    """Asks, reads one answer, and asks again; comes back by itself after it was cut."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._row = 0
        self._due = 0.0
        self.asking = False

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._load.stopping:
            due = time.monotonic()
            try:
                await loop.create_connection(lambda: self, self._load.host, self._load.port)
            except OSError:
                if not self._load.open_loop:
                    self._load.tally.add(due, BROKEN, self._row)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    def ask(self, due: float) -> None:
        self._row = self._load.take()
        self._due = due
        self.asking = True
        assert self._transport is not None
        self._transport.write(self._load.requests[self._row])

    def end_if_silent(self, now: float) -> None:
        if self.asking and now - self._due > self._load.silent_seconds:
            self._finish(SILENT)
            if self._transport is not None:
                self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from asyncio's
        self._received = b""
        self._go_on()

    def data_received(self, received: bytes) -> None:
        answer = self._received + received if self._received else received
        head_end = answer.find(b"\r\n\r\n")
        if head_end < 0:
            self._received = answer
            return
        head = answer[:head_end].lower()
        at = head.find(b"content-length:")
        if at >= 0:
            line_end = head.find(b"\r\n", at)
            whole = len(answer) >= head_end + 4 + int(head[at + 15 : line_end if line_end > 0 else None])
        else:
            whole = answer.endswith(b"0\r\n\r\n")
        if not whole:
            self._received = answer
            return
        self._received = b""
        status = int(head[9:12])
        self._finish(status, head, answer[head_end + 4 :])
        if b"connection: close" in head:
            assert self._transport is not None
            self._transport.abort()
        elif status < 500 or self._load.open_loop:
            self._go_on()
        else:
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._go_on)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self.asking:
            self._finish(BROKEN)
        if not self._load.stopping:
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._come_back)

    def _come_back(self) -> None:
        self._coming_back = asyncio.ensure_future(self.connect())

    def _go_on(self) -> None:
        if self._load.stopping or self.asking or self._transport is None:
            return
        if self._load.open_loop:
            self._load.idle.append(self)
        else:
            self.ask(time.monotonic())

    def _finish(self, status: int, head: bytes = b"", body: bytes = b"") -> None:
        self.asking = False
        self._load.tally.add(self._due, status, self._row, head, body)


async def run(spec: dict[str, Any], load: Load) -> None:
    connections = [Connection(load) for _ in range(spec["clients"])]
    for connection in connections:
        await connection.connect()
    ends = time.monotonic() + spec["seconds"]
    watching = asyncio.create_task(_end_silent(connections))
    if load.open_loop:
        await _send_on_schedule(load, spec["rate"], ends)
    else:
        await asyncio.sleep(spec["seconds"])
    load.stopping = True
    patience = time.monotonic() + load.silent_seconds
    while any(connection.asking for connection in connections) and time.monotonic() < patience:  # noqa: ASYNC110
        # No event: setting one would be work for every request, and this waits once.
        await asyncio.sleep(0.01)
    watching.cancel()


async def _send_on_schedule(load: Load, rate: float, ends: float) -> None:
    started, sent = time.monotonic(), 0
    while (now := time.monotonic()) < ends:
        owed = int((now - started) * rate)
        while sent < owed:
            due = started + sent / rate
            sent += 1
            while load.idle and load.idle[-1]._transport is None:
                load.idle.pop()  # cut while it was idle
            if load.idle:
                load.idle.pop().ask(due)
            else:
                load.tally.add(due, UNSENT, 0)
        await asyncio.sleep(_TICK_SECONDS)


async def _end_silent(connections: list[Connection]) -> None:
    while True:
        await asyncio.sleep(0.1)
        now = time.monotonic()
        for connection in connections:
            connection.end_if_silent(now)


def main() -> None:
    spec = json.load(sys.stdin)
    folder = Path(spec["folder"])
    blob, start, requests = (folder / "requests").read_bytes(), 0, []
    for length in spec["lengths"]:
        requests.append(blob[start : start + length])
        start += length
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, spec["clients"] + _DESCRIPTORS_SPARE), most))
    tally = Tally([mark.encode() for mark in spec["marks"]], spec["samples"])
    uvloop.run(run(spec, Load(spec, requests, tally)))
    tally.write(folder)


if __name__ == "__main__":
    main()
