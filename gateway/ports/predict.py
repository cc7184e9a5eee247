"""The predict port: finds the route of a path, and checks its key."""

from collections.abc import Awaitable

import orjson

from gateway.ports.docs_page import render_page
from gateway.ports.health import asks_for_json, health_document
from gateway.ports.keys import ForcedVersions, KeyRing
from gateway.ports.log_requests import take_feedback
from gateway.ports.open_inference import OpenInferencePort
from gateway.ports.openapi_predict import predict_document
from gateway.ports.purpose import Purpose
from gateway.ports.routes import Route
from gateway.ports.software import software_version
from gateway.ports.state import GatewayState, champion_output
from gateway.rows.refusals import NO_RELEASE, BadRequest, error_body
from gateway.wire.asgi import CHALLENGE, HTML, JSON, RETRY_AFTER, TEXT, Header, Receive, Scope, Send, read_body, respond
from gateway.wire.mlflow import MLFLOW
from gateway.wire.open_inference import refuse as refuse_v2


class PredictPort:
    """The ASGI application that clients meet."""

    def __init__(self, state: GatewayState, keys: KeyRing) -> None:
        self._state = state
        self._keys = keys
        self._forcing = ForcedVersions(keys, allowed=state.settings.allow_forced_version)
        self.whole_paths = {
            path.encode(): path for path in ("/invocations", f"/v2/models/{state.settings.pipeline}/infer")
        }
        document = predict_document(state.settings.pipeline)
        self._document, self._page = orjson.dumps(document), render_page(document)
        self._open_inference = OpenInferencePort(state, self._forcing)
        self._routes = {
            "/invocations": Route("POST", self._invocations, Purpose.PREDICT),
            "/ping": Route("GET", self._ping, None),
            "/health": Route("GET", self._health, None),
            "/version": Route("GET", self._version, Purpose.PREDICT),
            "/feedback": Route("POST", self._feedback, Purpose.FEEDBACK),
            "/openapi.json": Route("GET", self._openapi, None),
            "/docs": Route("GET", self._docs, None),
            **self._open_inference.routes,
        }

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path: str = scope["path"]
        route = self._routes.get(path) or self._open_inference.find(path)
        if route is None:
            refuse = refuse_v2 if path.startswith("/v2/") else error_body
            message = f"there is no {path[:200]!r}; there is {', '.join(self._routes)} and /v2/models/{{name}}"
            return self._refuse(send, 404, refuse("NOT_FOUND", message, None))
        if not route.answers(scope["method"]):
            body = route.refuse("METHOD_NOT_ALLOWED", f"use {route.allowed}", None)
            return self._refuse(send, 405, body, (b"allow", route.allowed.encode()))
        if (refusal := self._refusal(route, scope)) is not None:
            body = route.refuse(refusal.code, str(refusal), refusal.field)
            return self._refuse(send, refusal.status, body, *([CHALLENGE] if refusal.status == 401 else []))
        return route.handler(scope, receive, send)

    def _refusal(self, route: Route, scope: Scope) -> BadRequest | None:
        if route.purpose is None or not self._keys.locked:
            return None
        return self._keys.refusal(dict(scope["headers"]), route.purpose)

    async def _refuse(self, send: Send, status: int, body: bytes, *headers: Header) -> None:
        self._state.requests.counts.refuse(status)
        await respond(send, status, body, [JSON, *headers])

    def _invocations(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        headers = dict(scope["headers"])
        forced = headers.get(b"x-model-digest")
        if forced is not None:
            try:
                self._forcing.demand(headers)
            except BadRequest as exc:
                return self._refuse(send, exc.status, error_body(exc.code, str(exc)))
        return self._state.requests.answer(MLFLOW, headers, receive, send, forced and forced.decode("latin-1"))

    async def _ping(self, _: Scope, __: Receive, send: Send) -> None:
        if self._state.active is None:
            await respond(send, 503, error_body("NO_RELEASE", NO_RELEASE), [JSON, RETRY_AFTER])
        else:
            await respond(send, 200, b"\n", [JSON])

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = dict(scope["headers"])
        if not asks_for_json(sent.get(b"accept", b"")):
            await self._ping(scope, receive, send)
            return
        known = not self._keys.locked or self._keys.refusal(sent, Purpose.PREDICT) is None
        ready = self._state.active is not None
        headers = [JSON] if ready else [JSON, RETRY_AFTER]
        await respond(
            send, 200 if ready else 503, orjson.dumps(health_document(self._state, known_client=known)), headers
        )

    async def _version(self, _: Scope, __: Receive, send: Send) -> None:
        await respond(send, 200, software_version().encode(), [TEXT])

    async def _feedback(self, _: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, self._state.settings.body_bytes_max)
            stored = await take_feedback(self._state.log, body, champion_output(self._state))
            await respond(send, 200, stored, [JSON])
        except BadRequest as exc:
            retry = [RETRY_AFTER] if exc.status == 503 else []
            await self._refuse(send, exc.status, error_body(exc.code, str(exc), exc.field), *retry)

    async def _openapi(self, _: Scope, __: Receive, send: Send) -> None:
        await respond(send, 200, self._document, [JSON])

    async def _docs(self, _: Scope, __: Receive, send: Send) -> None:
        await respond(send, 200, self._page, [HTML])
