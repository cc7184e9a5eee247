"""The paths of the Open Inference Protocol: health and metadata of server and model, and inference.

A version in the path forces it, as `x-model-digest` does: a probe, neither logged nor counted.
"""

from functools import partial
from typing import Any

import orjson

from gateway.ports.keys import ForcedVersions
from gateway.ports.model_catalog import ModelCatalog
from gateway.ports.open_inference_extensions import refuse_change
from gateway.ports.purpose import Purpose
from gateway.ports.routes import Route
from gateway.ports.state import GatewayState
from gateway.rows.refusals import BadRequest
from gateway.wire.asgi import JSON, RETRY_AFTER, Receive, Scope, Send, read_body, respond
from gateway.wire.json_body import parse_object
from gateway.wire.open_inference import open_inference, refuse

_INDEX_BYTES_MAX = 64 * 1024


class OpenInferencePort:
    """Finds the route of a path, and answers what is not inference."""

    def __init__(self, state: GatewayState, forcing: ForcedVersions) -> None:
        self._state = state
        self._forcing = forcing
        self._catalog = ModelCatalog(state)
        self._model = self._catalog.model
        self._protocol = open_inference(self._model)
        self.routes = {
            "/v2": Route("GET", self._server, Purpose.PREDICT, refuse),
            "/v2/health/live": Route("GET", self._live, None, refuse),
            "/v2/health/ready": Route("GET", self._ready, None, refuse),
            "/v2/repository/index": Route("POST", self._index, Purpose.PREDICT, refuse),
        }

    def find(self, path: str) -> Route | None:
        """The route of a path below `/v2/`: `models/{name}[/versions/{version}][/ready|/infer|/stats]` and the like."""
        match path.split("/"):
            case ["", "v2", "models", "stats"] if self._model != "stats":
                return Route("GET", partial(self._statistics, self._model, None), Purpose.PREDICT, refuse)
            case ["", "v2", "repository", "models", name, "load" | "unload" as action]:
                return Route("POST", partial(self._refuse_change, name, action), Purpose.PREDICT, refuse)
            case ["", "v2", "models", name, "versions", version, *rest] if version:
                return self._find(name, version, rest)
            case ["", "v2", "models", name, *rest]:
                return self._find(name, None, rest)
        return None

    def _find(self, name: str, version: str | None, rest: list[str]) -> Route | None:
        match rest:
            case []:
                return Route("GET", partial(self._metadata, name, version), Purpose.PREDICT, refuse)
            case ["ready"]:
                return Route("GET", partial(self._model_ready, name, version), Purpose.PREDICT, refuse)
            case ["stats"]:
                return Route("GET", partial(self._statistics, name, version), Purpose.PREDICT, refuse)
            case ["infer"]:
                return Route("POST", partial(self._infer, name, version), Purpose.PREDICT, refuse)
        return None

    async def _infer(self, name: str, version: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        forced: str | None = headers.get(b"x-model-digest", b"").decode("latin-1") or None
        try:
            self._catalog.check_name(name)
            if version is not None or forced is not None:
                self._forcing.demand(headers)
            if version is not None:
                forced = self._catalog.version(version).model.digest
        except BadRequest as exc:
            await self._refuse(send, exc)
            return
        await self._state.requests.answer(self._protocol, headers, receive, send, forced)

    async def _server(self, _: Scope, __: Receive, send: Send) -> None:
        await _respond_json(send, self._catalog.server())

    async def _live(self, _: Scope, __: Receive, send: Send) -> None:
        await _respond_json(send, {"live": True})

    async def _ready(self, _: Scope, __: Receive, send: Send) -> None:
        ready = self._catalog.ready
        await _respond_json(send, {"ready": ready}, 200 if ready else 503)

    async def _model_ready(self, name: str, version: str | None, _: Scope, __: Receive, send: Send) -> None:
        try:
            ready = self._catalog.model_ready(name, version)
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await _respond_json(send, {"name": name, "ready": ready}, 200 if ready else 503)

    async def _metadata(self, name: str, version: str | None, _: Scope, __: Receive, send: Send) -> None:
        try:
            metadata = self._catalog.metadata(name, version)
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await _respond_json(send, metadata)

    async def _index(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, _INDEX_BYTES_MAX, dict(scope["headers"]).get(b"content-length"))
            ready_only = bool(body.strip()) and parse_object(body, "an object with `ready`").get("ready") is True
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await _respond_json(send, self._catalog.index(ready_only=ready_only))

    async def _refuse_change(self, name: str, action: str, _: Scope, __: Receive, send: Send) -> None:
        try:
            self._catalog.check_name(name)
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await self._refuse(send, refuse_change(action))

    async def _statistics(self, name: str, version: str | None, _: Scope, __: Receive, send: Send) -> None:
        try:
            counts = self._catalog.statistics(name, version)
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await _respond_json(send, counts)

    async def _refuse(self, send: Send, refusal: BadRequest) -> None:
        self._state.requests.counts.refuse(refusal.status)
        headers = [JSON, RETRY_AFTER] if refusal.status == 503 else [JSON]
        await respond(send, refusal.status, refuse(refusal.code, str(refusal)), headers)


async def _respond_json(send: Send, document: Any, status: int = 200) -> None:
    headers = [JSON] if status == 200 else [JSON, RETRY_AFTER]
    await respond(send, status, orjson.dumps(document), headers)
