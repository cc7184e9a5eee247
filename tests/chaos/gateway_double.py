"""An HTTP server with the gateway's documents, for tests of faults that read or slow down its answers."""

import json
import threading
from contextlib import contextmanager

from tests.chaos.standin import JsonServer


class GatewayDouble:
    """`workers` and `generation` are what `/release` says; `/invocations` answers at once."""

    def __init__(self):
        self.workers = []
        self.generation = 1
        self.champion = "c" * 64
        self.fallbacks = []

    def route(self, method, path, headers, body):
        if path == "/release":
            release = {"champion": {"digest": self.champion}, "fallbacks": self.fallbacks}
            state = {"workers": self.workers, "release": release, "problems": []}
            return 200, {}, {**state, "active_generation": self.generation, "desired_generation": self.generation}
        return 200, {}, {"predictions": [0.5]}


@contextmanager
def gateway_double():
    """The double and its address."""
    double = GatewayDouble()
    with JsonServer(double.route) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield double, server.url
        finally:
            server.shutdown()


def home_of(folder, url, **addresses):
    """A home whose stack is the double."""
    folder.mkdir(exist_ok=True)
    (folder / "addresses.json").write_text(json.dumps({"gateway": url, "operate": url, **addresses}))
    return folder
