"""A real server on loopback that answers as a test says, and real sources that use it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tasks.config.pipeline import Table
from tasks.config.sources_section import HttpEndpoint
from tasks.ingestion.sources.address import Lookup
from tasks.ingestion.sources.chain import OpenSource
from tasks.ingestion.sources.circuit import StoredCircuit
from tasks.ingestion.sources.http import HttpReader
from tasks.ingestion.sources.retry import Retrier

TABLE = Table(
    role="batch", path="/t/{day}.csv", key=("id",), event_time="at", columns={"id": "string", "at": "timestamp"}
)
CSV = b"id,at\na,2013-03-01T00:00:00Z\nb,\n"


@dataclass(frozen=True)
class Reply:
    """What the server sends. `length` overrides the content-length, None omits it; `wait` delays the body."""

    body: bytes = CSV
    status: int = 200
    kind: str = "text/csv"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    wait: threading.Event | None = None


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]


@contextmanager
def answering(answer: Callable[[str], Reply]) -> Iterator[tuple[str, list[Asked]]]:
    """The address of a server that answers every path with `answer`, and the requests that it got."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}))
            reply = answer(self.path)
            self.send_response(reply.status)
            self.send_header("content-type", reply.kind)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.length is not None:
                self.send_header("content-length", str(len(reply.body) if reply.length < 0 else reply.length))
            self.end_headers()
            if reply.wait is not None:
                reply.wait.wait(30)
            self.wfile.write(reply.body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def http_source(
    folder: Path, url: str, *, now: Callable[[], float] | None = None, lookup: Lookup | None = None, **changes: object
) -> Iterator[OpenSource]:
    """A source at `url` that stores its circuit in `folder`."""
    config = {"name": "primary", "kind": "http", "url": url, "timeout_seconds": 0.3, "patience_seconds": 2.0}
    endpoint = HttpEndpoint(**{**config, **changes})
    circuit = StoredCircuit(folder / "primary.json", url, **({"now": now} if now else {}))
    patience = Retrier(endpoint, circuit)
    source = OpenSource(endpoint.name, HttpReader(endpoint, lookup or Lookup(), patience), patience)
    try:
        yield source
    finally:
        source.close()


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
