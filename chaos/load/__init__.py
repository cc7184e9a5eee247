"""The load generator: HTTP requests in an open or a closed loop, and one record per request.

Drills, the demo, benchmarks and tests send their load with it. `OpenLoop` sends on a schedule, `ClosedLoop` sends the
next request when the one before was answered. `python -m chaos.load` runs either in a process of its own.

It speaks HTTP/1.1 over asyncio with httptools as parser. A request costs about a sixth of the processor time that
aiohttp takes: on a small machine the server is measured, not the client.
"""

from chaos.load.answer import Answer, Lost, read_answers
from chaos.load.closed_loop import ClosedLoop
from chaos.load.open_loop import OpenLoop
from chaos.load.request import Request, RequestFiles, read_requests, write_requests

__all__ = [
    "Answer",
    "ClosedLoop",
    "Lost",
    "OpenLoop",
    "Request",
    "RequestFiles",
    "read_answers",
    "read_requests",
    "write_requests",
]
