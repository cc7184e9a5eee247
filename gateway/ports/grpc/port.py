"""The gRPC server of a gateway: its options, its start and its end."""

import asyncio
import os
import secrets
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import grpc

from gateway.ports.grpc.connections import Connections
from gateway.ports.grpc.service import InferenceService
from gateway.ports.keys import KeyRing
from gateway.ports.state import GatewayState
from gateway.settings import GatewaySettings

_LAST_CALLS_SECONDS_MAX = 2.0  # that clients have to close their connections
# Far more than a client has: grpcio's server may refuse a call as soon as a client is at the limit.
_CALLS_PER_CONNECTION_MAX = 4096


class GrpcPort:
    """`start`, then `end` once."""

    def __init__(
        self,
        state: GatewayState,
        keys: KeyRing,
        interceptors: Sequence[Any] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._drain_seconds = state.settings.drain_seconds
        self._server = grpc.aio.server(options=_options(state.settings), interceptors=interceptors)
        self._server.add_generic_rpc_handlers((InferenceService(state, keys).handler(),))
        name = f"gateway-{os.getpid()}-{secrets.token_hex(16)}"
        self._server.add_insecure_port(f"unix-abstract:{name}")
        self._connections = Connections(f"\0{name}", tls)

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer calls on a listening socket."""
        await self._server.start()
        await self._connections.accept(listener)

    async def end(self) -> None:
        """Accept nothing more, let clients finish the calls that they have begun, and stop."""
        await self._connections.end(_LAST_CALLS_SECONDS_MAX)
        await self._server.stop(self._drain_seconds)
        self._connections.close()


async def serve_until(port: GrpcPort, listener: socket.socket, ending: asyncio.Event) -> None:
    """Answer calls until `ending` is set, then drain."""
    await port.start(listener)
    await ending.wait()
    await port.end()


def _options(settings: GatewaySettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.body_bytes_max),  # refused by its length, before it is read
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", _CALLS_PER_CONNECTION_MAX),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # none: some kilobytes could become gigabytes
        ("grpc.keepalive_time_ms", 30_000),  # a client that reads nothing does not answer pings,
        ("grpc.keepalive_timeout_ms", 20_000),  # and loses its connection
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.max_connection_idle_ms", 600_000),
    ]
