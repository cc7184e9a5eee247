"""A channel for messages to people that reaches nobody: it keeps each message in a file.

python -m chaos.staging.alert_sink --port PORT --file FILE
"""

import argparse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["AlertSink"]


class AlertSink(ThreadingHTTPServer):
    """Appends the body of each POST to `file`, one line per message."""

    daemon_threads = True

    def __init__(self, port: int, file: Path) -> None:
        self.file = file
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("content-length") or 0)))

    def _answer(self, message: bytes) -> None:
        assert isinstance(self.server, AlertSink)
        if message:
            with self.server.file.open("ab") as file:
                file.write(message.replace(b"\n", b" ") + b"\n")
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Log nothing."""


def main() -> None:
    """Accept messages until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m chaos.staging.alert_sink")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    arguments = parser.parse_args()
    with AlertSink(arguments.port, arguments.file) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
