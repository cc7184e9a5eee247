"""The demo's clients, in a process of their own so that the story's work does not delay their requests.

    python -m cli.demo.load --url URL --pools DIR --answers FILE --rate N --seconds-max N

Asks about the rows of the newest pool in DIR, again from its start when it is used up. Writes an answer a line. Ends at
SIGTERM, after the last answer.
"""

import argparse
import asyncio
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from chaos.load import Answer, Body, OpenLoop

REQUESTS_MAX = 1_000_000
IN_FLIGHT_MAX = 32  # httpx searches its pool for every request: with hundreds of connections it falls behind for good
LOOK_SECONDS = 0.5  # how late a new pool may be noticed
KEY_HEADER = "x-route-key"


def main() -> None:
    """Send until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--pools", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds-max", type=float, required=True)
    arguments = parser.parse_args()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    pools = Pools(arguments.pools)
    with arguments.answers.open("wb") as stream:
        load = OpenLoop(
            url=arguments.url,
            next_body=pools.next_body,
            on_answer=lambda answer: write(answer, stream),
            rate_per_second=arguments.rate,
            requests_max=REQUESTS_MAX,
            seconds_max=arguments.seconds_max,
            in_flight_max=IN_FLIGHT_MAX,
            stopped=stopping.is_set,
        )
        asyncio.run(load.run())


@dataclass(slots=True)
class Pools:
    """The newest pool file, looked for twice a second. A row is named `<pool>/<position>`."""

    directory: Path
    _name: str = ""
    _columns: list[str] = field(default_factory=list)
    _rows: list[list[object]] = field(default_factory=list)
    _position: int = 0
    _looked_at: float = 0.0

    def next_body(self, _index: int) -> Body:
        """The next row of the newest pool as a request."""
        self._look()
        position = self._position % len(self._rows)
        self._position += 1
        row = self._rows[position]
        content = orjson.dumps({"dataframe_split": {"columns": self._columns, "data": [row]}})
        return Body(row=f"{self._name}/{position}", content=content, headers={KEY_HEADER: str(row[0])})

    def _look(self) -> None:
        now = time.monotonic()
        if self._name and now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        newest = max(self.directory.glob("*.json"))
        if newest.stem != self._name:
            pool = orjson.loads(newest.read_bytes())
            self._name, self._columns, self._rows, self._position = newest.stem, pool["columns"], pool["rows"], 0


def write(answer: Answer, stream: BinaryIO) -> None:
    """One line; the operating system has it when the process is killed right after."""
    stream.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
    stream.flush()


if __name__ == "__main__":
    main()
