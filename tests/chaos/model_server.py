"""Small real servers for tests of the chaos client."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Model(BaseHTTPRequestHandler):
    """Answers /invocations with a constant, with the delay, status and body of its server."""

    protocol_version = "HTTP/1.1"
    server: "ModelServer"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.arrivals.append(time.monotonic())
        self.server.connections.add(self.client_address)
        time.sleep(self.server.delay_seconds)
        body = self.server.body
        self.send_response(self.server.status)
        for name, value in {"x-model-digest": "abc", "x-rung": "champion", "x-release-generation": "3"}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Log nothing."""


class ModelServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Model)
        self.delay_seconds = 0.0
        self.status = 200
        self.body = json.dumps({"predictions": [0.25]}).encode()
        self.arrivals = []
        self.connections = set()  # the clients' addresses

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
