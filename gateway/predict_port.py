"""The predict port: which path leads where, by one look into a dictionary, and who may go there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from gateway.asgi import JSON, RETRY_AFTER, TEXT, Receive, Scope, Send, respond
from gateway.mlflow_protocol import MLFLOW
from gateway.refusals import NO_RELEASE, error_body

if TYPE_CHECKING:
    from gateway.service import Gateway

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """What one path answers to one method (GET means HEAD too)."""

    method: str
    handler: Handler

    def answers(self, method: str) -> bool:
        return method == self.method or (method == "HEAD" and self.method == "GET")


class PredictPort:
    """The ASGI application that clients meet."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._version = own_version().encode()
        self._routes = {
            "/invocations": Route("POST", self._invocations),
            "/ping": Route("GET", self._ping),
            "/health": Route("GET", self._ping),
            "/version": Route("GET", self._tell_version),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"])
        if route is None:
            await respond(send, 404, error_body("NOT_FOUND", f"there is {', '.join(self._routes)}"), [JSON])
        elif route.answers(scope["method"]):
            await route.handler(scope, receive, send)
        else:
            told = error_body("METHOD_NOT_ALLOWED", f"use {route.method}")
            await respond(send, 405, told, [JSON, (b"allow", route.method.encode())])

    async def _invocations(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        forced = headers.get(b"x-model-digest")
        await self._gateway.predict.answer(MLFLOW, headers, receive, send, forced and forced.decode("latin-1"))

    async def _ping(self, _: Scope, __: Receive, send: Send) -> None:
        if self._gateway.ladder.serving is None:
            await respond(send, 503, error_body("NO_RELEASE", NO_RELEASE), [JSON, RETRY_AFTER])
        else:
            await respond(send, 200, b"\n", [JSON])

    async def _tell_version(self, _: Scope, __: Receive, send: Send) -> None:
        await respond(send, 200, self._version, [TEXT])


def own_version() -> str:
    """The version of this software."""
    try:
        return version("mlops-autopilot")
    except PackageNotFoundError:
        return "unknown"  # run from a checkout that is not installed
