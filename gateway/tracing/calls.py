"""Spans of gRPC calls that ask for an inference."""

from typing import Any

import grpc

from gateway.reporting.request_tracer import RequestTracer
from gateway.wire.grpc_messages import SERVICE
from observability.span import current_span

_METHOD = "ModelInfer"
_OF_THE_CLIENT = frozenset({"INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "CANCELLED"})


class TracedCalls(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """An interceptor of the gRPC server. Other methods than `ModelInfer` pass through."""

    def __init__(self, tracer: RequestTracer) -> None:
        self._tracer = tracer

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = await continuation(details)
        if handler is None or details.method != f"/{SERVICE}/{_METHOD}":
            return handler

        async def answer(requests: Any, context: Any) -> Any:
            return await self._answer(handler.stream_unary, requests, context)

        return grpc.stream_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)

    async def _answer(self, behaviour: Any, requests: Any, context: Any) -> Any:
        metadata = context.invocation_metadata()
        headers = [(key.encode(), value.encode()) for key, value in metadata if isinstance(value, str)]
        attributes = {"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": _METHOD}
        span = self._tracer.begin(f"{SERVICE}/{_METHOD}", headers, attributes)
        if span is None:
            return await behaviour(requests, context)
        token = current_span.set(span)
        try:
            return await behaviour(requests, context)
        except grpc.aio.AbortError:
            if (code := context.code()).name not in _OF_THE_CLIENT:
                span.fail(context.details(), code.name)
            raise
        finally:
            current_span.reset(token)
            code = context.code()
            span.attributes["rpc.grpc.status_code"] = getattr(code, "value", (code or 0, ""))[0]
            span.end()
