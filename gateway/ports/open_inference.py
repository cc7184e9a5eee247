"""The paths of the Open Inference Protocol: health and metadata of server and model, and inference.

One gateway serves one pipeline, whose name is the model's. A version is a loaded semantic version; one in the path
forces it, as `x-model-digest` does: a probe, neither logged nor counted.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson

from gateway.batching.versions import Version
from gateway.ports.keys import ForcedVersions, Purpose
from gateway.ports.open_inference_extensions import EXTENSIONS, refuse_change, repository_index, statistics
from gateway.ports.routes import Route
from gateway.ports.software import NAME, software_version
from gateway.ports.state import GatewayState
from gateway.routing.active_release import ActiveRelease
from gateway.rows.refusals import NO_RELEASE, BadRequest
from gateway.wire.asgi import JSON, RETRY_AFTER, Receive, Scope, Send, read_body, respond
from gateway.wire.json_body import parse_object
from gateway.wire.open_inference import OUTPUT, datatype_of, open_inference, refuse
from releases.manifest import Column, InputSchema
from releases.output import Output

_DATATYPES = {
    "string": "BYTES",
    "double": "FP64",
    "float": "FP32",
    "long": "INT64",
    "integer": "INT32",
    "boolean": "BOOL",
    "datetime": "BYTES",  # in ISO 8601
}
_INDEX_BYTES_MAX = 64 * 1024


class OpenInferencePort:
    """Finds the route of a path, and answers what is not inference."""

    def __init__(self, state: GatewayState, forcing: ForcedVersions) -> None:
        self._state = state
        self._forcing = forcing
        self._model = state.settings.pipeline
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
            self._check_name(name)
            if version is not None or forced is not None:
                self._forcing.demand(headers)
            if version is not None:
                forced = self._version(version).model.digest
        except BadRequest as exc:
            await self._refuse(send, exc)
            return
        await self._state.requests.answer(self._protocol, headers, receive, send, forced)

    async def _server(self, _: Scope, __: Receive, send: Send) -> None:
        await _respond_json(send, {"name": NAME, "version": software_version(), "extensions": EXTENSIONS})

    async def _live(self, _: Scope, __: Receive, send: Send) -> None:
        await _respond_json(send, {"live": True})

    async def _ready(self, _: Scope, __: Receive, send: Send) -> None:
        ready = self._state.active is not None
        await _respond_json(send, {"ready": ready}, 200 if ready else 503)

    async def _model_ready(self, name: str, version: str | None, _: Scope, __: Receive, send: Send) -> None:
        """The model is ready while a release is active, because a rung always answers; a version when its worker is."""
        try:
            self._check_name(name)
            ready = self._state.active is not None
            if version is not None:
                ready = ready and self._version(version).workers.ready
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await _respond_json(send, {"name": name, "ready": ready}, 200 if ready else 503)

    async def _metadata(self, name: str, version: str | None, _: Scope, __: Receive, send: Send) -> None:
        try:
            self._check_name(name)
            found = self._version(version)
            schema = _schema_of(found)
        except BadRequest as exc:
            await self._refuse(send, exc)
            return
        await _respond_json(
            send,
            {
                "name": name,
                "versions": list(dict.fromkeys(v.model.version for v in self._versions())),
                "platform": _platform(found),
                "inputs": [_tensor(column) for column in schema.columns],
                "outputs": [_output_tensor(found.output)],
                "parameters": {"key": schema.key} if schema.key else {},
            },
        )

    async def _index(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, _INDEX_BYTES_MAX, dict(scope["headers"]).get(b"content-length"))
            ready_only = bool(body.strip()) and parse_object(body, "an object with `ready`").get("ready") is True
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await _respond_json(send, repository_index(self._model, self._versions(), ready_only=ready_only))

    async def _refuse_change(self, name: str, action: str, _: Scope, __: Receive, send: Send) -> None:
        try:
            self._check_name(name)
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await self._refuse(send, refuse_change(action))

    async def _statistics(self, name: str, version: str | None, _: Scope, __: Receive, send: Send) -> None:
        try:
            self._check_name(name)
            chosen = self._versions() if version is None else [self._version(version)]
        except BadRequest as exc:
            await self._refuse(send, exc)
        else:
            await _respond_json(send, statistics(name, chosen))

    def _check_name(self, name: str) -> None:
        if name != self._model:
            message = f"there is no model {name[:80]!r}; this gateway serves {self._model!r}"
            raise BadRequest(message, status=404, code="NOT_FOUND")

    def _versions(self) -> Iterator[Version]:
        """The active versions, champion first, then others that are loaded."""
        active = self._state.active
        on_duty = _on_duty(active) if active is not None else []
        yield from on_duty
        yield from (version for version in self._state.versions if version not in on_duty)

    def _version(self, name: str | None) -> Version:
        """The first version of this name, or the champion; BadRequest where there is none."""
        if name is None:
            if self._state.active is None:
                raise BadRequest(NO_RELEASE, status=503, code="NO_RELEASE")
            return self._state.active.champion
        loaded = {version.model.version: version for version in reversed(list(self._versions()))}
        if name not in loaded:
            message = f"version {name[:80]!r} of {self._model!r} is not loaded; there is {', '.join(loaded) or 'none'}"
            raise BadRequest(message, status=404, code="NOT_LOADED")
        return loaded[name]

    async def _refuse(self, send: Send, refusal: BadRequest) -> None:
        self._state.requests.counts.refuse(refusal.status)
        headers = [JSON, RETRY_AFTER] if refusal.status == 503 else [JSON]
        await respond(send, refusal.status, refuse(refusal.code, str(refusal)), headers)


def _on_duty(active: ActiveRelease) -> list[Version]:
    challenger = [] if active.challenger is None else [active.challenger]
    return [active.champion, *challenger, *active.fallbacks]


def _schema_of(version: Version) -> InputSchema:
    if version.binder is None:
        message = f"the manifest of version {version.model.version} cannot be read"
        raise BadRequest(message, status=503, code="NOT_READY")
    return version.binder.schema


def _tensor(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "datatype": _DATATYPES[column.type],
        "shape": [-1],
        "parameters": {"nullable": column.nullable},
    }


def _platform(version: Version) -> str:
    return "" if version.manifest is None else version.manifest.flavor.replace("-", "_")


def _output_tensor(output: Output | None) -> dict[str, Any]:
    """`names` are the classes or outputs, in the order of the second dimension, or the labels that it has."""
    shape = [-1, output.width] if output is not None and output.width else [-1]
    tensor: dict[str, Any] = {"name": OUTPUT, "datatype": datatype_of(output), "shape": shape}
    return tensor if output is None else {**tensor, "parameters": {"names": list(output.names)}}


async def _respond_json(send: Send, document: Any, status: int = 200) -> None:
    headers = [JSON] if status == 200 else [JSON, RETRY_AFTER]
    await respond(send, status, orjson.dumps(document), headers)
