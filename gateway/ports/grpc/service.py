"""The methods of `inference.GRPCInferenceService`: keys, the request handler of the HTTP port, and its refusals.

Each method reads its one message itself (as a stream), so that keys and limits come before the message.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import orjson
import structlog
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError

from gateway.ports.grpc.call import CallMessage, CallResponse, Uploads, headers_of, status_code
from gateway.ports.keys import ForcedVersions, KeyRing
from gateway.ports.model_catalog import ModelCatalog
from gateway.ports.purpose import Purpose
from gateway.ports.state import GatewayState
from gateway.rows.refusals import BadRequest
from gateway.wire.asgi import CHALLENGE
from gateway.wire.grpc_inference import grpc_inference
from gateway.wire.grpc_messages import SERVICE, methods

_log = structlog.get_logger(__name__)
Call = Callable[[Any, Any], Awaitable[bytes]]


class InferenceService:
    """Answers calls with what the HTTP port answers to the same requests."""

    def __init__(self, state: GatewayState, keys: KeyRing) -> None:
        settings = state.settings
        self._state = state
        self._keys = keys
        self._forcing = ForcedVersions(keys, allowed=settings.allow_forced_version)
        self._catalog = ModelCatalog(state)
        self._protocol = grpc_inference(self._catalog.model, self._catalog.check_name, self._choose)
        self._uploads = Uploads(max(1, settings.bodies_bytes_max // settings.body_bytes_max))

    def handler(self) -> Any:
        """The handler that a gRPC server is given."""
        calls: dict[str, Call] = {
            "ModelInfer": self._infer,
            "ServerLive": self._method("ServerLive", lambda _: {"live": True}, None),
            "ServerReady": self._method("ServerReady", lambda _: {"ready": self._catalog.ready}, None),
            "ModelReady": self._method("ModelReady", self._model_ready, Purpose.PREDICT),
            "ServerMetadata": self._method("ServerMetadata", lambda _: self._catalog.server(), Purpose.PREDICT),
            "ModelMetadata": self._method("ModelMetadata", self._metadata, Purpose.PREDICT),
            "RepositoryIndex": self._method("RepositoryIndex", self._index, Purpose.PREDICT),
            "ModelStatistics": self._method("ModelStatistics", self._statistics, Purpose.PREDICT),
        }
        handlers = {name: grpc.stream_unary_rpc_method_handler(call) for name, call in calls.items()}
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    # -- inference ----------------------------------------------------------------------------------------------------

    async def _infer(self, _: Any, context: Any) -> bytes:
        headers, response = headers_of(context), CallResponse()
        requests = self._state.requests
        try:
            self._check_key(headers, Purpose.PREDICT)
            forced = headers.get(b"x-model-digest", b"").decode("latin-1") or None
            if forced is not None:
                self._forcing.demand(headers)
            message = CallMessage(context, self._uploads)
            await requests.answer(self._protocol, headers, message, response, forced)
        except BadRequest as exc:
            await self._refuse(context, exc)
        except asyncio.CancelledError:
            requests.hangups.ended += 1
            raise
        except Exception as exc:  # noqa: BLE001  the client is not shown what a defect of the gateway raises
            _log.exception("grpc_call_failed", error=repr(exc))
            await context.abort(grpc.StatusCode.INTERNAL, "the gateway failed on this request; its log says why")
        if response.status == 200:
            context.set_trailing_metadata(response.metadata)
            return response.body
        error = orjson.loads(response.body)
        await _abort(context, response.status, error["error_code"], error["message"], response.metadata)
        raise AssertionError  # abort raises

    def _choose(self, headers: Mapping[bytes, bytes], version: str) -> str:
        self._forcing.demand(headers)
        return self._catalog.version(version).model.digest

    # -- everything else ----------------------------------------------------------------------------------------------

    def _model_ready(self, request: Any) -> dict[str, Any]:
        return {"ready": self._catalog.model_ready(request.name, request.version or None)}

    def _metadata(self, request: Any) -> dict[str, Any]:
        return self._catalog.metadata(request.name, request.version or None)

    def _index(self, request: Any) -> dict[str, Any]:
        return {"models": self._catalog.index(ready_only=request.ready)}

    def _statistics(self, request: Any) -> dict[str, Any]:
        return self._catalog.statistics(request.name or self._catalog.model, request.version or None)

    def _method(self, name: str, answer: Callable[[Any], Any], purpose: Purpose | None) -> Call:
        """A method whose answer is a document of the HTTP port."""
        request, reply = methods()[name]

        async def call(_: Any, context: Any) -> bytes:
            try:
                if purpose is not None:
                    self._check_key(headers_of(context), purpose)
                message = request.FromString(await self._uploads.read(context) or b"")
                encoded: bytes = ParseDict(answer(message), reply(), ignore_unknown_fields=True).SerializeToString()
            except DecodeError:
                await self._refuse(context, BadRequest(f"expected an inference.{name}Request, found another message"))
            except BadRequest as exc:
                await self._refuse(context, exc)
            return encoded

        return call

    def _check_key(self, headers: Mapping[bytes, bytes], purpose: Purpose) -> None:
        refusal = self._keys.refusal(headers, purpose) if self._keys.locked else None
        if refusal is not None:
            raise refusal

    async def _refuse(self, context: Any, refusal: BadRequest) -> None:
        """End a call that did not reach the request handler."""
        self._state.requests.counts.refuse(refusal.status)
        metadata = [("retry-after", "1")] if refusal.status == 503 else []
        if refusal.status == 401:
            metadata.append((CHALLENGE[0].decode(), CHALLENGE[1].decode()))
        await _abort(context, refusal.status, refusal.code, str(refusal), metadata)


async def _abort(context: Any, status: int, code: str, message: str, metadata: list[tuple[str, str]]) -> None:
    """End a call with an error. A client that retries by gRPC's own rules waits as long as `retry-after` says."""
    waits = [(key, value) for key, value in metadata if key == "retry-after"]
    pushback = [("grpc-retry-pushback-ms", str(int(seconds) * 1000)) for _, seconds in waits]
    trailing = [*metadata, ("x-error-code", code), *pushback]
    await context.abort(status_code(status, code), message, tuple(trailing))
