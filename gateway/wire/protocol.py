"""What a protocol is to the gateway: it reads a body as a table, writes an answer, and refuses in its own shape."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.serving import Answer
from gateway.wire.asgi import Header
from gateway.wire.table import Table

Written = tuple[bytes, tuple[Header, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request body, read. `write` gives the answer's body and the headers that describe it; `request_id` is the name
    that the body gives to the request, where its protocol has one."""

    table: Table
    write: Callable[[Answer], Written]
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class WireProtocol:
    """`read` takes lower-case headers and the body, and raises BadRequest; `refuse` takes code, message and field."""

    read: Callable[[Mapping[bytes, bytes], bytes], Asked]
    refuse: Callable[[str, str, str | None], bytes]
