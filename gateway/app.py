"""The predict port: raw ASGI, because it is on the path of every request.

`POST /invocations`, `GET /ping`, `/version` and `/health`, as MLflow's own scoring server has them.
"""

import os
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from gateway.ladder import Answer, Ladder, Overloaded, Question, Serving
from gateway.metrics import Metrics
from gateway.predictions import LogRow, PredictionLog
from gateway.protocols import BadRequest, error_body, parse_body
from gateway.versions import VersionPool
from healing.release import ModelRef

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

_JSON: Header = (b"content-type", b"application/json")
_TEXT: Header = (b"content-type", b"text/plain")
_RETRY_AFTER: Header = (b"retry-after", b"1")
_ID_BYTES_MAX = 256
_BASELINE = ModelRef(digest="", version="baseline")  # how the log names an answer that no model gave


class Served:
    """How requests ended since the start: good, answered by a lower rung, or not answered though they were right."""

    def __init__(self) -> None:
        self.good = 0
        self.degraded = 0
        self.failed = 0


class PredictApp:
    """Answers requests while the rest of the gateway looks after itself."""

    def __init__(
        self, ladder: Ladder, pool: VersionPool, log: PredictionLog, metrics: Metrics, body_bytes_max: int
    ) -> None:
        self.served = Served()
        self._ladder = ladder
        self._pool = pool
        self._log = log
        self._metrics = metrics
        self._body_bytes_max = body_bytes_max
        self._version = _own_version()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/invocations" and method == "POST":
            await self._invoke(scope, receive, send)
        elif path in ("/ping", "/health") and method in ("GET", "HEAD"):
            await self._ping(send)
        elif path == "/version" and method in ("GET", "HEAD"):
            await _respond(send, 200, self._version, [_TEXT])
        elif path in ("/invocations", "/ping", "/health", "/version"):
            allowed = b"POST" if path == "/invocations" else b"GET"
            await _respond(
                send, 405, error_body("METHOD_NOT_ALLOWED", f"use {allowed.decode()}"), [_JSON, (b"allow", allowed)]
            )
        else:
            told = "there is POST /invocations, GET /ping, GET /version and GET /health"
            await _respond(send, 404, error_body("NOT_FOUND", told), [_JSON])

    async def _ping(self, send: Send) -> None:
        if self._ladder.serving is None:
            await _respond(send, 503, error_body("NO_RELEASE", _no_release()), [_JSON, _RETRY_AFTER])
        else:
            await _respond(send, 200, b"\n", [_JSON])

    async def _invoke(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"") or os.urandom(16).hex().encode()
        try:
            status, body, told = await self._answer(headers, request_id, receive)
        except BadRequest as exc:
            status, body, told = exc.status, exc.body(), [_JSON]
        except Overloaded as exc:
            self.served.failed += 1
            status, body, told = 503, error_body("OVERLOADED", str(exc)), [_JSON, _RETRY_AFTER]
        if status != 200:
            self._metrics.refused(status)
        if len(request_id) <= _ID_BYTES_MAX:
            told.append((b"x-request-id", request_id))
        await _respond(send, status, body, told)

    async def _answer(
        self, headers: dict[bytes, bytes], request_id: bytes, receive: Receive
    ) -> tuple[int, bytes, list[Header]]:
        """Status, body and headers of an answer that is already logged."""
        content = await self._read_body(receive)
        serving = self._ladder.serving
        if serving is None:
            self.served.failed += 1
            return 503, error_body("NO_RELEASE", _no_release()), [_JSON, _RETRY_AFTER]
        started = time.perf_counter()
        question = _question(headers, request_id, content, serving)
        forced = headers.get(b"x-model-digest")
        if forced is not None:
            return await self._answer_forced(forced.decode("latin-1"), question)
        answer = await self._ladder.answer(serving, question)
        await self._log.record(_log_rows(question, answer))
        self._count(answer, time.perf_counter() - started)
        return 200, _body(answer), _headers(answer)

    async def _answer_forced(self, digest: str, question: Question) -> tuple[int, bytes, list[Header]]:
        """By this version and no other. A probe, not traffic: neither logged nor counted."""
        version = self._pool.get(digest)
        if version is None:
            loaded = ", ".join(sorted(v.model.digest for v in self._pool.all()))
            return (
                404,
                error_body("NOT_LOADED", f"no version with digest {digest!r} is loaded; there is {loaded}"),
                [_JSON],
            )
        answer = await self._ladder.answer_by(version, question)
        if answer is None:
            told = f"version {version.model.version} does not answer now: it is {version.worker.state}"
            return 503, error_body("NOT_READY", told), [_JSON, _RETRY_AFTER]
        return 200, _body(answer), _headers(answer)

    async def _read_body(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("the client hung up before its body was whole", status=499)
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._body_bytes_max:
                raise BadRequest(f"a body has at most {self._body_bytes_max} bytes", status=413)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _count(self, answer: Answer, seconds: float) -> None:
        if answer.rung.degraded:
            self.served.degraded += 1
        else:
            self.served.good += 1
        self._metrics.answered[answer.rung].inc()
        self._metrics.rows.inc(len(answer.values))
        self._metrics.seconds.observe(seconds)


def _question(headers: dict[bytes, bytes], request_id: bytes, content: bytes, serving: Serving) -> Question:
    """A checked question; BadRequest names the header or field that is wrong."""
    route_key = headers.get(b"x-route-key")
    for name, value in (("x-request-id", request_id), ("x-route-key", route_key)):
        if value is not None and (len(value) > _ID_BYTES_MAX or not value.isascii()):
            raise BadRequest(f"{name} is at most {_ID_BYTES_MAX} ASCII characters", field=name)
    table = parse_body(headers.get(b"content-type", b"application/json").decode("latin-1"), content)
    return Question(
        request_id=request_id.decode(),
        route_key=route_key.decode() if route_key else None,
        table=table,
        bound=serving.binder.bind(table, serving.also_known),
    )


def _log_rows(question: Question, answer: Answer) -> list[LogRow]:
    at = datetime.now(UTC).isoformat()
    model = answer.version.model if answer.version is not None else _BASELINE
    return [
        (
            *(question.request_id, number, at, answer.generation, model.digest, model.version, answer.rung.value),
            *(key, orjson.dumps(row).decode(), value),
        )
        for number, (row, key, value) in enumerate(zip(answer.rows, question.bound.keys, answer.values, strict=True))
    ]


def _body(answer: Answer) -> bytes:
    return orjson.dumps({"predictions": list(answer.values)})


def _headers(answer: Answer) -> list[Header]:
    """`x-model-digest` is left out where no model answered."""
    told = [
        _JSON,
        (b"x-rung", answer.rung.value.encode()),
        (b"x-release-generation", str(answer.generation).encode()),
    ]
    if answer.version is None:
        told.append((b"x-model-version", b"baseline"))
    else:
        told.append((b"x-model-version", answer.version.model.version.encode()))
        told.append((b"x-model-digest", answer.version.model.digest.encode()))
    if answer.rung.degraded:
        told.append((b"x-degraded", b"true"))
    return told


async def _respond(send: Send, status: int, body: bytes, headers: Sequence[Header]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def _no_release() -> str:
    return (
        "there is no release to serve yet: publish a model and release it (autopilot bootstrap), or wait while it loads"
    )


def _own_version() -> bytes:
    try:
        return version("mlops-autopilot").encode()
    except PackageNotFoundError:
        return b"unknown"  # run from a checkout that is not installed
