"""Answers every HTTP request with one status: `... KEEP_FILE SECONDS PORT STATUS`."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chaos.agents.agent import keep_active

BODY = b'{"error": "a drill answers here"}'


def handler_of(status: int) -> type[BaseHTTPRequestHandler]:
    """A handler that answers with `status`, whatever is asked."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(BODY)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(BODY)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing: the log of an agent is for its failures."""

    return Handler


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), handler_of(int(sys.argv[4]))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        keep_active(sys.argv[1:], lambda: None)
        server.shutdown()
