"""A route of the predict port: method, required key, error format and handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.ports.purpose import Purpose
from gateway.rows.refusals import error_body
from gateway.wire.asgi import Receive, Scope, Send

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
Refuse = Callable[[str, str, str | None], bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """`purpose` is None where everybody may, with or without a key."""

    method: str
    handler: Handler
    purpose: Purpose | None
    refuse: Refuse = error_body

    @property
    def allowed(self) -> str:
        """The methods, as the `allow` header names them."""
        return "GET, HEAD" if self.method == "GET" else self.method

    def answers(self, method: str) -> bool:
        """Whether it answers to this method; what can be got can be asked for its head."""
        return method == self.method or (method == "HEAD" and self.method == "GET")
