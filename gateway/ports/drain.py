"""The end of a gateway's servers: at once, or with a hand-over to the standby that waits for it.

A client that keeps its connection open may send a request at the moment in which the server closes it, and gets no
answer. So before a hand-over each connection is closed with an answer, which says so (`connection: close`), and the
client opens its next connection to the other gateway. Only connections without a request for a while are closed as
they are.
"""

import asyncio
import time
from collections.abc import Sequence

import uvicorn

from gateway.wire.http import WholeResponses

_LAST_ANSWER_SECONDS_MAX = 2.0  # that a connection may wait for its last request before a hand-over
_POLL_SECONDS = 0.005


async def drain(servers: Sequence[uvicorn.Server], *, handing_over: bool) -> None:
    """Have the servers end; before a hand-over, first let the clients of the open connections come back once more."""
    if handing_over:
        await _answer_for_the_last_time(servers)
    for server in servers:
        server.should_exit = True


async def _answer_for_the_last_time(servers: Sequence[uvicorn.Server]) -> None:
    """Return when the connections that are open now have been closed, or had their time."""
    until = time.monotonic() + _LAST_ANSWER_SECONDS_MAX
    open_now = [(server, connection) for server in servers for connection in server.server_state.connections]
    for _, connection in open_now:
        if isinstance(connection, WholeResponses):
            connection.close_after_answer()
    while time.monotonic() < until:
        if not any(connection in server.server_state.connections for server, connection in open_now):
            return
        await asyncio.sleep(_POLL_SECONDS)
