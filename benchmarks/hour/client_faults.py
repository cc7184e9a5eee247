"""Faults by clients: requests that are huge, slow, broken or the same, and clients that hang up."""

import contextlib
import itertools
import socket
import struct
import time
from collections.abc import Sequence

import httpx

from benchmarks.hour.stage import Stage, Unexpected
from benchmarks.serving.load import Load, send
from benchmarks.serving.targets import Target
from benchmarks.serving.world import Row

_LARGE_ROWS, _LARGE_TIMES = 10_000, 3
_POISON_TIMES, _POISON_PAUSE_SECONDS = 2, 10.0  # a version is set aside after five deaths within a minute
_UPLOAD_PARTS, _UPLOAD_SECONDS = 20, 10.0
_HANG_UPS, _SLOW_CLIENTS, _SLOW_SECONDS = 100, 20, 10.0
_SAME_IDS = 20
_BURST_CLIENTS, _BURST_SECONDS = 256, 3.0
_CSV_BYTES = 1_000_000
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection
_OK, _OVERLOADED = 200, 503


def send_poison_rows(stage: Stage) -> None:
    """Rows that end the process of the champion: each is answered by the fallback, and costs no other request."""
    row, key = stage.world.poison_row(), stage.world.keys[0]
    body = _body(stage, [row], [key])
    for _ in range(_POISON_TIMES):
        _expect(stage.post(body), _OK)
        time.sleep(_POISON_PAUSE_SECONDS)


def send_large_requests(stage: Stage) -> None:
    """Requests of 10,000 rows: each is answered whole, by one version or by the baseline."""
    places = list(itertools.islice(itertools.cycle(range(len(stage.world.rows))), _LARGE_ROWS))
    body = _body(stage, [stage.world.rows[n] for n in places], [stage.world.keys[n] for n in places])
    for _ in range(_LARGE_TIMES):
        reply = _expect(stage.post(body), _OK)
        if reply.status_code == _OK and len(reply.json()["predictions"]) != _LARGE_ROWS:
            raise Unexpected(f"expected {_LARGE_ROWS} predictions, found {len(reply.json()['predictions'])}")


def upload_slowly(stage: Stage) -> None:
    """A body that takes ten seconds to arrive is answered, or refused at once as one too many."""
    head, body = _request(stage)
    size = len(body) // _UPLOAD_PARTS + 1
    with _connected(stage.gateway.target) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what is refused is not read to its end
            connection.sendall(head)
            for start in range(0, len(body), size):
                connection.sendall(body[start : start + size])
                time.sleep(_UPLOAD_SECONDS / _UPLOAD_PARTS)
        answer = connection.recv(65536)
    if not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")):
        raise Unexpected(f"expected 200 to a slow upload, found {answer[:200]!r}")


def hang_up(stage: Stage) -> None:
    """Clients close or reset their connections right after their requests, or leave a request half sent."""
    head, body = _request(stage)
    for number in range(_HANG_UPS):
        with _connected(stage.gateway.target) as connection:
            if number % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.sendall(head + (body if number % 3 else body[: len(body) // 2]))
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(_connected(stage.gateway.target)) for _ in range(_SLOW_CLIENTS)]
        for connection in waiting:
            connection.sendall(head[:-10])
        time.sleep(_SLOW_SECONDS)


def repeat_request_id(stage: Stage) -> None:
    """Every request has the same id, as behind a proxy that sets a fixed one; each gets the answer to its own row."""
    world, found = stage.world, []
    for number in range(_SAME_IDS):
        body = _body(stage, [world.rows[number]], [world.keys[number]])
        reply = _expect(stage.post(body, x_request_id="fixed"), _OK)
        if reply.status_code == _OK:
            found += reply.json()["predictions"]
    if len(found) > 1 and len(set(found)) == 1:
        raise Unexpected(f"expected an answer to each of {len(found)} rows, found {found[0]} to all of them")


def send_broken_bodies(stage: Stage) -> None:
    """Bodies that are no request get a 4xx; a large CSV file without the columns costs no other client its answer."""
    for body in (b"", b"{", b"[]", b"\xff\xfe", b'{"dataframe_split": {"columns": [], "data": [[]]}}', b"[" * 100_000):
        _expect(stage.post(body), 400, 413)
    _expect(stage.post(b"a\n" * (_CSV_BYTES // 2), content_type="text/csv"), 400, 413)


def send_burst(stage: Stage) -> None:
    """256 clients ask at once for three seconds: each request is answered, or refused as one too many."""
    answers = send(stage.gateway.target, Load(_BURST_CLIENTS, _BURST_SECONDS, warmup_seconds=0.0, timeout_seconds=30.0))
    statuses = set(answers.status.tolist())
    if not statuses <= {_OK, _OVERLOADED}:
        raise Unexpected(f"expected 200 and 503 in a burst, found {sorted(statuses)}: {set(answers.error.tolist())}")


def _body(stage: Stage, rows: Sequence[Row], keys: Sequence[str]) -> bytes:
    return stage.gateway.target.protocol.encode(stage.world, rows, keys)


def _request(stage: Stage) -> tuple[bytes, bytes]:
    """Head and body of a request of one row, on a connection of its own."""
    body, target = _body(stage, stage.world.rows[:1], stage.world.keys[:1]), stage.gateway.target
    head = (
        f"POST {target.protocol.path} HTTP/1.1\r\nhost: {target.host}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def _connected(target: Target) -> socket.socket:
    return socket.create_connection((target.host, target.port), timeout=60.0)


def _expect(reply: httpx.Response, *statuses: int) -> httpx.Response:
    """The reply, with one of these statuses or, on a busy machine, 503."""
    if reply.status_code not in (*statuses, _OVERLOADED):
        raise Unexpected(f"expected a status of {statuses}, found {reply.status_code}: {reply.text[:200]}")
    return reply
