"""A wire protocol: parses a body into a table, encodes an answer, and encodes an error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from gateway.routing.request import PredictResponse
from gateway.rows.table import RequestTable
from gateway.wire.asgi import Header

EncodedResponse = tuple[bytes, tuple[Header, ...]]
ProtocolName = Literal["mlflow", "open-inference", "open-inference-grpc"]
PROTOCOLS: tuple[ProtocolName, ...] = get_args(ProtocolName)


class ParsedRequest(NamedTuple):
    """A request body, read. `write` gives the answer's body and the headers that describe it; `request_id` is the name
    that the body gives to the request, where its protocol has one.

    Where a body names the version that answers, `choose` returns its digest; BadRequest if the client may not choose.
    """

    table: RequestTable
    write: Callable[[PredictResponse], EncodedResponse]
    request_id: str | None = None
    choose: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True)
class WireProtocol:
    """`read` takes lower-case headers and the body, and raises BadRequest; `refuse` takes code, message and field."""

    name: ProtocolName
    read: Callable[[Mapping[bytes, bytes], bytes], ParsedRequest]
    refuse: Callable[[str, str, str | None], bytes]
