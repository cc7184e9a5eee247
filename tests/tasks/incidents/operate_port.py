"""An operate port that reports the workers and problems of a test, counts restarts, and can be silent or refuse."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class OperatePort:
    """Workers by digest with the state of each, separated by spaces, and problems as (cause, subject); read at every
    request."""

    def __init__(self) -> None:
        self.workers: dict[str, str] = {}
        self.problems: Callable[[], list[tuple[str, str]]] = list
        self.restarts: list[str] = []
        self.keeps_growing = False
        self.is_silent = False
        self.refuses = False
        self.url = ""

    def document(self) -> dict[str, object]:
        since = "2013-03-01T00:00:00Z"
        return {
            "pipeline": "tiny",
            "desired_generation": 1,
            "active_generation": 1,
            "workers": [
                {"digest": digest, "role": "champion", "state": state, "keeps_growing": self.keeps_growing}
                for digest, states in self.workers.items()
                for state in states.split()
            ],
            "problems": [{"code": code, "subject": subject, "since": since} for code, subject in self.problems()],
        }


@contextmanager
def operate_port() -> Iterator[OperatePort]:
    """The port while the block runs."""
    port = OperatePort()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if port.is_silent or port.refuses:
                self.send_error(401 if port.refuses else 503)
            else:
                self._answer(port.document())

        def do_POST(self):
            port.restarts.append(self.path)
            self._answer({})

        def _answer(self, document):
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    port.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
