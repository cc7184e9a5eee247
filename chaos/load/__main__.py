"""A load in a process of its own, so that no other work delays its requests.

    python -m chaos.load --url URL --requests DIR --answers FILE --seconds-max N (--rate N | --clients N) [...]

Sends the requests of the newest file in DIR and writes one answer per line. Ends at SIGTERM or after `--seconds-max`,
once every request in flight has ended.
"""

import argparse
import resource
import signal
import threading
from pathlib import Path

import uvloop

from chaos.load.answer import Exchange, decode, to_line
from chaos.load.closed_loop import ClosedLoop
from chaos.load.connection import OnExchange
from chaos.load.open_loop import OpenLoop
from chaos.load.request import RequestFiles

REQUESTS_MAX = 10_000_000
DESCRIPTORS_SPARE = 64


def main() -> None:
    """Send the load; write answers as they come, or all at the end with `--write-at-end`."""
    arguments = _parser().parse_args()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    _allow_connections(arguments.clients or arguments.in_flight_max)
    with arguments.answers.open("wb") as stream:
        if arguments.write_at_end:
            exchanges: list[Exchange] = []
            uvloop.run(_loop(arguments, exchanges.append, stopping).run())
            stream.writelines(
                to_line(decode(each, keep_body=place < arguments.bodies)) for place, each in enumerate(exchanges)
            )
            return

        def write(exchange: Exchange) -> None:
            stream.write(to_line(decode(exchange)))
            stream.flush()  # the line survives a kill right after

        uvloop.run(_loop(arguments, write, stopping).run())


def _loop(arguments: argparse.Namespace, record: OnExchange, stopping: threading.Event) -> OpenLoop | ClosedLoop:
    files = RequestFiles(arguments.requests)
    if arguments.clients is not None:
        return ClosedLoop(
            url=arguments.url,
            next_request=files.next_request,
            on_exchange=record,
            clients=arguments.clients,
            seconds_max=arguments.seconds_max,
            timeout_seconds=arguments.timeout,
            stopped=stopping.is_set,
        )
    return OpenLoop(
        url=arguments.url,
        next_request=files.next_request,
        on_exchange=record,
        rate_per_second=arguments.rate,
        requests_max=REQUESTS_MAX,
        seconds_max=arguments.seconds_max,
        timeout_seconds=arguments.timeout,
        in_flight_max=arguments.in_flight_max,
        drop_when_full=arguments.drop_when_full,
        stopped=stopping.is_set,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos.load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=Path, required=True, help="directory with *.ndjson files of requests")
    parser.add_argument("--answers", type=Path, required=True, help="file for the answers, one JSON object per line")
    parser.add_argument("--seconds-max", type=float, required=True)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--rate", type=float, help="open loop: requests per second")
    kind.add_argument("--clients", type=int, help="closed loop: connections")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds after which a request is given up")
    parser.add_argument("--in-flight-max", type=int, default=256, help="open loop: unanswered requests at most")
    parser.add_argument("--drop-when-full", action="store_true", help="open loop: record a request above it as unsent")
    parser.add_argument("--write-at-end", action="store_true", help="keep records in memory while load runs")
    parser.add_argument("--bodies", type=int, default=0, help="with --write-at-end: keep so many response bodies")
    return parser


def _allow_connections(count: int) -> None:
    """Raise the limit of open files where `count` connections need it."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, min(most, count + DESCRIPTORS_SPARE)), most))


if __name__ == "__main__":
    main()
