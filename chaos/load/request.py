"""Requests to send, their HTTP form, and files of them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import orjson

__all__ = ["Address", "Request", "RequestFiles", "read_requests", "write_requests"]

PORTS: Mapping[str, int] = {"http": 80, "https": 443}
CHECK_SECONDS = 0.5  # how long a new file may stay unnoticed


@dataclass(frozen=True, slots=True)
class Request:
    """One prediction request. `row` names its content, so that an answer can be compared with a reference answer."""

    row: str
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go: `head` is the start of every request's HTTP head."""

    host: str
    port: int
    head: bytes
    tls: bool = False

    @classmethod
    def of(cls, url: str) -> Self:
        """The address of an http:// or https:// URL; ValueError for another one."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS or parts.hostname is None:
            raise ValueError(f"expected http://HOST:PORT/PATH or https://HOST/PATH, found {url!r}")
        head = f"POST {parts.path or '/'} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        return cls(parts.hostname, parts.port or PORTS[parts.scheme], head.encode(), parts.scheme == "https")

    def encode(self, request: Request) -> bytes:
        """The whole HTTP request."""
        headers = b"".join(f"{name}: {value}\r\n".encode() for name, value in request.headers.items())
        content = request.content
        return b"%scontent-length: %d\r\n%s\r\n%s" % (self.head, len(content), headers, content)


def write_requests(path: Path, requests: Iterable[Request]) -> None:
    """Write requests to `path` in one step, one JSON object per line."""
    lines = (
        orjson.dumps({"row": each.row, "content": each.content.decode(), "headers": dict(each.headers)})
        for each in requests
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(b"\n".join(lines))
    unfinished.replace(path)


@dataclass(slots=True)
class RequestFiles:
    """The requests of the newest `*.ndjson` file in `directory`, by name; a new file is noticed while load runs."""

    directory: Path
    _name: str = ""
    _requests: list[Request] = field(default_factory=list)
    _position: int = 0
    _checked_at: float = 0.0

    def next_request(self, _index: int) -> Request:
        """The next request of the newest file, from its start again after its end. ValueError when there is no file."""
        self._check_for_new_file()
        request = self._requests[self._position]
        self._position = self._position + 1 if self._position + 1 < len(self._requests) else 0
        return request

    def _check_for_new_file(self) -> None:
        now = time.monotonic()
        if self._name and now - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = now
        newest = max(self.directory.glob("*.ndjson"), default=None)
        if newest is None:
            raise ValueError(f"expected a file of requests in {self.directory}, found none")
        if newest.name != self._name:
            self._name, self._requests, self._position = newest.name, list(read_requests(newest)), 0


def read_requests(path: Path) -> Iterator[Request]:
    """The requests that `write_requests` wrote."""
    for line in path.read_bytes().splitlines():
        fields = orjson.loads(line)
        yield Request(fields["row"], fields["content"].encode(), fields["headers"])
