"""The operate port: the status page, what serves, metrics, the prediction log, labels, and restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.log.predictions import LogStream
from gateway.ports.docs_page import render_page
from gateway.ports.keys import KeyRing
from gateway.ports.log_requests import take_drained, take_feedback
from gateway.ports.metrics.page import MetricsPage
from gateway.ports.openapi_operate import operate_document
from gateway.ports.purpose import Purpose
from gateway.ports.release_state import release_state
from gateway.ports.state import GatewayState, champion_output, version_of
from gateway.ports.status.endpoints import EVENTS_PATH, OPEN_PATHS, StatusEndpoints
from gateway.ports.status.stream import StatusStream
from gateway.ports.status.watch import PageBuilder
from gateway.rows.refusals import BadRequest, error_body
from gateway.wire.asgi import read_body

_PAGE_ROWS = 10_000
_PAGE_ROWS_MAX = 100_000
_SEQ_MAX = 2**63 - 1
_OPEN = frozenset({"/health", "/openapi.json", "/docs"}) | OPEN_PATHS


def operate_app(state: GatewayState, keys: KeyRing, ending: asyncio.Event) -> ASGIApp:
    """The ASGI application of one gateway; only health, its own description and an empty page are open without a key.

    When `ending` is set, the streams of the status page end.
    """
    desk, pages = _Desk(state), PageBuilder(state)
    app = Starlette(
        routes=[
            *StatusEndpoints(pages, keys, state.settings.pipeline).routes(),
            Route("/release", desk.release, methods=["GET"]),
            Route("/metrics", desk.metrics, methods=["GET"]),
            Route("/health", desk.health, methods=["GET"]),
            Route("/predictions", desk.predictions, methods=["GET"]),
            Route("/predictions/drained", desk.predictions_drained, methods=["POST"]),
            Route("/shadow", desk.shadow, methods=["GET"]),
            Route("/shadow/drained", desk.shadow_drained, methods=["POST"]),
            Route("/labels", desk.labels, methods=["GET"]),
            Route("/labels/drained", desk.labels_drained, methods=["POST"]),
            Route("/outcomes", desk.outcomes, methods=["GET"]),
            Route("/outcomes/drained", desk.outcomes_drained, methods=["POST"]),
            Route("/feedback", desk.feedback, methods=["POST"]),
            Route("/workers/{digest}/restart", desk.restart_worker, methods=["POST"]),
            Route("/openapi.json", desk.openapi, methods=["GET"]),
            Route("/docs", desk.docs, methods=["GET"]),
        ],
        exception_handlers={BadRequest: _refuse_request, HTTPException: _refuse_path},
    )
    return _Locked(app, StatusStream(pages, ending), keys)


class _Locked:
    """Asks for a key before anything else is looked at. `stream` sends the updates of the status page."""

    def __init__(self, app: ASGIApp, stream: StatusStream, keys: KeyRing) -> None:
        self._app = app
        self._stream = stream
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope["type"] == "http" and scope["path"] == EVENTS_PATH and scope["method"] == "GET"
        app: ASGIApp = self._stream if is_stream else self._app
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            purpose = Purpose.FEEDBACK if scope["path"] == "/feedback" else Purpose.OPERATE
            refusal = self._keys.refusal(dict(scope["headers"]), purpose)
            if refusal is not None:
                app = _refusal(refusal)
        await app(scope, receive, send)


class _Desk:
    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._metrics = MetricsPage(state)
        self._document = operate_document()

    async def release(self, _: Request) -> Response:
        return _json(release_state(self._state))

    async def metrics(self, _: Request) -> Response:
        return Response(await self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def health(self, _: Request) -> Response:
        loops = {
            loop.name: {
                "runs": loop.runs,
                "failures": loop.failures,
                "error": loop.error,
                "seconds_since_run": round(loop.seconds_since_run, 3),
            }
            for loop in self._state.loop_states
        }
        serving = self._state.active is not None
        return _json({"pipeline": self._state.settings.pipeline, "serving": serving, "loops": loops})

    async def predictions(self, request: Request) -> Response:
        log = self._state.log
        return _page(request, log.read, log.epoch(LogStream.PREDICTIONS))

    async def shadow(self, request: Request) -> Response:
        log = self._state.log
        return _page(request, log.read_shadow, log.epoch(LogStream.SHADOW))

    async def labels(self, request: Request) -> Response:
        log = self._state.log
        return _page(request, log.read_labels, log.epoch(LogStream.LABELS))

    async def outcomes(self, request: Request) -> Response:
        log = self._state.log
        return _page(request, log.read_outcomes, log.epoch(LogStream.OUTCOMES))

    async def predictions_drained(self, request: Request) -> Response:
        return await self._drained(request, LogStream.PREDICTIONS)

    async def shadow_drained(self, request: Request) -> Response:
        return await self._drained(request, LogStream.SHADOW)

    async def labels_drained(self, request: Request) -> Response:
        return await self._drained(request, LogStream.LABELS)

    async def outcomes_drained(self, request: Request) -> Response:
        return await self._drained(request, LogStream.OUTCOMES)

    async def _drained(self, request: Request, stream: LogStream) -> Response:
        body = await read_body(request.receive, self._state.settings.body_bytes_max)
        deleted = await asyncio.to_thread(take_drained, self._state.log, stream, body)
        return Response(deleted, media_type="application/json")

    async def feedback(self, request: Request) -> Response:
        body = await read_body(request.receive, self._state.settings.body_bytes_max)
        return Response(
            await take_feedback(self._state.log, body, champion_output(self._state)), media_type="application/json"
        )

    async def restart_worker(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        version = version_of(self._state, digest)
        if version is None:
            raise BadRequest(f"no version with digest {digest[:80]!r} is loaded", status=404, code="NOT_LOADED")
        version.restart()
        return _json({"digest": digest, "state": version.workers.state.value}, status=202)

    async def openapi(self, _: Request) -> Response:
        return _json(self._document)

    async def docs(self, _: Request) -> Response:
        return HTMLResponse(render_page(self._document))


def _page(request: Request, read: Callable[[int, int], Iterator[bytes]], epoch: str) -> Response:
    """JSON lines of one of the log's streams, by `after` and `limit`."""
    after = _whole_number(request, "after", 0, 0, _SEQ_MAX)
    limit = _whole_number(request, "limit", _PAGE_ROWS, 1, _PAGE_ROWS_MAX)
    lines: AsyncIterator[bytes] = iterate_in_threadpool(read(after, limit))
    return StreamingResponse(lines, media_type="application/x-ndjson", headers={"x-log-epoch": epoch})


def _whole_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise BadRequest(f"`{name}` is a whole number in {least}…{most}, found {text[:80]!r}", field=name)
    return int(text)


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")


def _refusal(exc: BadRequest) -> Response:
    headers = {401: {"www-authenticate": 'Bearer realm="gateway"'}, 503: {"retry-after": "1"}}.get(exc.status)
    body = error_body(exc.code, str(exc), exc.field)
    return Response(body, status_code=exc.status, headers=headers, media_type="application/json")


async def _refuse_request(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, BadRequest)
    return _refusal(exc)


async def _refuse_path(_: Request, exc: Exception) -> Response:
    """Starlette's 404 and 405, in the shape of every other refusal."""
    assert isinstance(exc, HTTPException)
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(exc.status_code, "BAD_REQUEST")
    body = error_body(code, f"{exc.detail}; see /openapi.json")
    return Response(body, status_code=exc.status_code, headers=exc.headers, media_type="application/json")
