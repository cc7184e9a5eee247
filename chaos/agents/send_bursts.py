"""Sends many requests at once, again and again: `... KEEP_FILE SECONDS URL CLIENTS EVERY_SECONDS ROWS_FILE COUNTS`.

ROWS_FILE has the requests. COUNTS is a file with the bursts and how their requests ended, as a client counts them.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from chaos.load.connection import Connections
from chaos.load.request import Address, read_requests
from chaos.staging.credentials import authorization

TIMEOUT_SECONDS = 10.0


async def send_bursts(
    wanted: Callable[[], bool], url: str, clients: int, every_seconds: float, rows: Path, counts: Path
) -> None:
    """A burst each `every_seconds`, or as soon as the one before is answered, while `wanted`."""
    requests = [replace(each, headers=authorization(url)) for each in read_requests(rows)]
    numbers, ended = itertools.count(), {"bursts": 0, "answered": 0, "failed": 0}
    async with Connections(Address.of(url), TIMEOUT_SECONDS) as connections:
        while wanted():
            due = time.monotonic()
            sent = [connections.send(requests[n % len(requests)], n, due) for n in itertools.islice(numbers, clients)]
            statuses = [exchange.status for exchange in await asyncio.gather(*sent)]
            answered = statuses.count(HTTPStatus.OK)
            ended["bursts"] += 1
            ended["answered"] += answered
            ended["failed"] += clients - answered
            _write(counts, ended)
            await asyncio.sleep(max(0.0, due + every_seconds - time.monotonic()))


def _write(path: Path, ended: dict[str, int]) -> None:
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(ended), encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    keep, seconds, address, crowd, pause, rows_file, counts_file = sys.argv[1:]
    keep_file, end = Path(keep), time.monotonic() + float(seconds)
    sending = send_bursts(
        lambda: keep_file.exists() and time.monotonic() < end,
        address,
        int(crowd),
        float(pause),
        Path(rows_file),
        Path(counts_file),
    )
    asyncio.run(sending)
