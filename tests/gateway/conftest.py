import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from healing.release import ModelRef
from releases.signing import Keys, ensure_keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return ensure_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "releases"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "gateway"


class Receiver(ThreadingHTTPServer):
    """Takes events as Prefect's API does, and keeps them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.events: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/events"

    def about(self, name: str, model: ModelRef) -> dict[str, Any] | None:
        """The first event of this name whose subject is the model."""
        found = (e for e in self.events if e["event"] == name and e["payload"]["subject"] == model.digest)
        return next(found, None)


class _Taker(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.events += json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the standard library's
        pass


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
