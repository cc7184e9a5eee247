"""The load of a lab: an open loop without an end, in a process of its own.

    python -m chaos.staging.traffic --url URL --directory DIR --rate N

It waits for the oracle's first file of requests, sends those of the newest file in turn, and writes each answer.
"""

import argparse
import asyncio
import math
import sys
import threading
import time
from pathlib import Path

from chaos.load import OpenLoop
from chaos.load.request import RequestFiles
from chaos.staging.answer_files import AnswerWriter

__all__ = ["ALIVE_FILE"]

ALIVE_FILE = "traffic.alive"
POLL_SECONDS = 0.5


def main() -> None:
    """Send until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m chaos.staging.traffic")
    parser.add_argument("--url", required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    arguments = parser.parse_args()
    directory: Path = arguments.directory
    directory.mkdir(parents=True, exist_ok=True)
    threading.Thread(target=_show_life, args=(directory / ALIVE_FILE,), daemon=True).start()
    while not list((directory / "requests").glob("*.ndjson")):
        time.sleep(POLL_SECONDS)
    files = RequestFiles(directory / "requests")
    load = OpenLoop(
        url=arguments.url,
        next_request=files.next_request,
        on_exchange=AnswerWriter(directory),
        rate_per_second=arguments.rate,
        requests_max=sys.maxsize,
        seconds_max=math.inf,
    )
    asyncio.run(load.run())


def _show_life(file: Path) -> None:
    while True:
        file.touch()
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
