"""An OTLP collector over HTTP that decodes what it gets with OpenTelemetry's own messages, and can misbehave."""

import gzip
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector(ThreadingHTTPServer):
    """Keeps the spans that it was sent. `behaviour` is `take`, `hang`, `slow`, `garbage`, `close` or a status.

    A hang ends when the test switches the collector to `take`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.behaviour: str | int = "take"
        self.requests: Counter[str] = Counter()
        self.resources: list[dict[str, Any]] = []
        self.spans: list[Any] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, name: str) -> list[Any]:
        """The spans with this name."""
        return [span for span in list(self.spans) if span.name == name]

    def take(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(values(group.resource.attributes))
            self.spans += [span for scope in group.scope_spans for span in scope.spans]


def values(attributes: Any) -> dict[str, Any]:
    """Attributes of OTLP as a dict."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        collector = self.server
        collector.requests[self.path] += 1
        match collector.behaviour:
            case "hang":
                while collector.behaviour == "hang":
                    time.sleep(0.02)
            case "slow":
                time.sleep(0.3)
            case "garbage":
                self.wfile.write(b"\x00\xffthis is not HTTP\r\n\r\n")
                self.close_connection = True
                return
            case "close":
                self.close_connection = True
                return
            case int(status):
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
                return
        collector.headers.append({name.lower(): value for name, value in self.headers.items()})
        collector.take(body)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the standard library's
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client gave up
            self.close_connection = True


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of this machine."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield collector
        finally:
            collector.behaviour = "take"
            collector.shutdown()
            thread.join()
