"""Answers one request of any protocol: reads, checks, asks the ladder, logs, and responds."""

import asyncio
import itertools
import os
import time
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from gateway.batching.outcomes import Crashed, RowRefused
from gateway.batching.versions import Version, VersionPool
from gateway.log.predictions import PredictionLog
from gateway.ports.columns_policy import ColumnsPolicy
from gateway.ports.hangups import HangUps
from gateway.ports.log_rows import log_rows
from gateway.ports.request_counts import RequestCounts
from gateway.routing.active_release import ActiveRelease
from gateway.routing.ladder import Ladder
from gateway.routing.request import Overloaded, PredictRequest, PredictResponse, Rung
from gateway.routing.shadow import Shadow
from gateway.rows.refusals import NO_RELEASE, BadRequest
from gateway.rows.table import RequestTable
from gateway.settings import GatewaySettings
from gateway.wire.asgi import (
    JSON,
    RETRY_AFTER,
    BodyBudget,
    Header,
    HeaderBlock,
    Receive,
    Send,
    read_body,
    respond,
)
from gateway.wire.protocol import ParsedRequest, WireProtocol
from healing.release import ModelRef

_ID_BYTES_MAX = 256
_LARGE_BYTES = 256 * 1024  # of a body that takes a thread milliseconds to read and check, while others are answered
_MANY_ROWS = 1000  # of which the log's rows are made in a thread: 2 ms for others
TIMEOUT_MS_MAX = 120_000
_BLOCKS_MAX = 64
_PROBE_UNANSWERED = "NOT_READY"


class RequestTotals:
    """How requests ended since the start: good, answered by a lower rung, or not answered though they were right."""

    def __init__(self) -> None:
        self.good = 0
        self.degraded = 0
        self.failed = 0


class RequestHandler:
    """Answers requests; everything else of the gateway runs beside it."""

    def __init__(self, ladder: Ladder, pool: VersionPool, log: PredictionLog, settings: GatewaySettings) -> None:
        self.totals = RequestTotals()
        self.counts = RequestCounts()
        self._ladder = ladder
        self._pool = pool
        self._log = log
        self._body_bytes_max = settings.body_bytes_max
        self._outside_training = settings.outside_training
        self._columns_policy = ColumnsPolicy(settings.extra_columns, settings.absent_columns)
        self.bodies = BodyBudget(max(settings.bodies_bytes_max, settings.body_bytes_max))
        self.shadow: Shadow | None = None
        self.hangups = HangUps()
        self._ids = os.urandom(8).hex().encode()  # requests without a name of their own are numbered within this life
        self._numbers = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._blocks: dict[tuple[Version | None, int, Rung], HeaderBlock] = {}

    async def answer(
        self,
        protocol: WireProtocol,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
        forced: str | None = None,
    ) -> None:
        """Answer one request; `forced` is the digest of the only version that may, where a client asks for one."""
        request_id = headers.get(b"x-request-id", b"") or b"%b%016x" % (self._ids, next(self._numbers))
        block: HeaderBlock | None = None
        try:
            status, body, headers_out, block = await self._answer(protocol, headers, request_id, receive, forced)
        except BadRequest as exc:
            status, body, headers_out = exc.status, protocol.refuse(exc.code, str(exc), exc.field), [JSON]
            if status == 503:
                self.totals.failed += forced is None and exc.code != _PROBE_UNANSWERED
                headers_out.append(RETRY_AFTER)
        except Overloaded as exc:
            self.totals.failed += 1
            retry_after = (b"retry-after", str(exc.retry_seconds).encode())
            status, body, headers_out = 503, protocol.refuse("OVERLOADED", str(exc), None), [JSON, retry_after]
        except asyncio.CancelledError:
            if self.hangups.hung_up(self._this_task()):
                return
            raise
        except Exception:
            self.totals.failed += forced is None
            raise
        if status != 200:
            self.counts.refuse(status)
            if len(request_id) <= _ID_BYTES_MAX:
                headers_out.append((b"x-request-id", request_id))
        await respond(send, status, body, headers_out, block)

    async def _answer(
        self,
        protocol: WireProtocol,
        headers: Mapping[bytes, bytes],
        request_id: bytes,
        receive: Receive,
        forced: str | None,
    ) -> tuple[int, bytes, list[Header], HeaderBlock | None]:
        """Status, body and headers of an answer that is already logged."""
        active = self._ladder.active
        if active is not None and forced is None:
            self._ladder.admit(active)
        content = await read_body(receive, self._body_bytes_max, headers.get(b"content-length"), self.bodies)
        try:
            active = self._ladder.active  # a slow upload is answered by the release that is active at its end
            if active is None:
                self.totals.failed += 1
                return 503, protocol.refuse("NO_RELEASE", NO_RELEASE, None), [JSON, RETRY_AFTER], None
            task = self._this_task()
            self.hangups.begin(task, receive)
            try:
                return await self._answer_body(protocol, headers, request_id, content, active, forced)
            finally:
                self.hangups.end(task)
        finally:
            self.bodies.give_back(len(content))

    async def _answer_body(
        self,
        protocol: WireProtocol,
        headers: Mapping[bytes, bytes],
        request_id: bytes,
        content: bytes,
        active: ActiveRelease,
        forced: str | None,
    ) -> tuple[int, bytes, list[Header], HeaderBlock]:
        started = time.perf_counter()
        if len(content) > _LARGE_BYTES:
            parsed = await asyncio.to_thread(_parse, protocol, headers, request_id, content, active)
        else:
            parsed = _parse(protocol, headers, request_id, content, active)
        asked, request = parsed
        if asked.choose is not None:
            forced = asked.choose()
        bound = request.bound
        beside: Sequence[Header] = ()
        outside: tuple[str, ...] = ()
        if forced is not None:  # what the champion reads and was trained on says nothing about another version
            answer = await self._answer_forced(forced, request)
        else:
            beside = self._columns_policy.headers(bound) if bound.ignored or bound.absent else ()
            outside = self._columns_outside(active, request)
            answer = await self._ladder.answer(active, request)
            client, redaction = active.client_of(request), self._log.redaction
            if len(answer.values) > _MANY_ROWS:
                rows = await asyncio.to_thread(log_rows, request, answer, client, redaction)
            else:
                rows = log_rows(request, answer, client, redaction)
            await self._log.record(rows)
            self._count(protocol, answer, time.perf_counter() - started)
            if self.shadow is not None and self.shadow.generation == answer.generation:
                self.shadow.copy(request, answer)
        body, content_headers = asked.write(answer)
        headers_out = [*content_headers, (b"x-request-id", request.request_id.encode()), *beside]
        if outside:
            headers_out.append((b"x-outside-training", ",".join(map(quote, outside)).encode()))
        return 200, body, headers_out, self._block_of(answer)

    def _this_task(self) -> "asyncio.Task[None]":
        """The task that the server runs the present request in.

        The loop is kept because asking for it takes a system call.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        assert task is not None
        return task

    def _block_of(self, answer: PredictResponse) -> HeaderBlock:
        """The headers that say who answered; the same for nearly all answers."""
        key = answer.version, answer.generation, answer.rung
        block = self._blocks.get(key)
        if block is None:
            if len(self._blocks) >= _BLOCKS_MAX:
                self._blocks.clear()
            model = None if answer.version is None else answer.version.model
            block = self._blocks[key] = HeaderBlock.of(_headers_of(answer.rung, answer.generation, model))
        return block

    def _columns_outside(self, active: ActiveRelease, request: PredictRequest) -> tuple[str, ...]:
        """Columns with values beyond the champion's training data; BadRequest where the settings refuse them."""
        champion = active.champion
        if self._outside_training == "ignore" or champion.ranges is None or champion.binder is not active.binder:
            return ()
        outside = champion.ranges.outside(request.bound.rows)
        if outside and self._outside_training == "refuse":
            message = f"values of {', '.join(outside)} are beyond all that the model was trained on"
            raise BadRequest(message[:1000], field=outside[0], code="OUTSIDE_TRAINING")
        return outside

    async def _answer_forced(self, digest: str, request: PredictRequest) -> PredictResponse:
        """By this version and no other. A probe, not traffic: neither logged nor counted."""
        version = self._pool.get(digest)
        if version is None:
            loaded = ", ".join(sorted(v.model.digest for v in self._pool.all()))
            message = f"no version with digest {digest[:80]!r} is loaded; there is {loaded}"
            raise BadRequest(message, status=404, code="NOT_LOADED")
        answer = await self._ladder.answer_by(version, request)
        if isinstance(answer, PredictResponse):
            return answer
        if isinstance(answer, RowRefused) or (isinstance(answer, Crashed) and version.workers.ready):
            message = f"version {version.model.version} has no usable answer to these rows: {answer.message}"
            raise BadRequest(message[:1000], status=502, code="MODEL_FAILED")
        message = f"version {version.model.version} does not answer now: it is {version.workers.state}"
        raise BadRequest(message, status=503, code=_PROBE_UNANSWERED)

    def _count(self, protocol: WireProtocol, answer: PredictResponse, seconds: float) -> None:
        if answer.rung.degraded:
            self.totals.degraded += 1
        else:
            self.totals.good += 1
        self.counts.answer(protocol.name, answer.rung, len(answer.values), seconds)


def _parse(
    protocol: WireProtocol, headers: Mapping[bytes, bytes], request_id: bytes, content: bytes, active: ActiveRelease
) -> tuple[ParsedRequest, PredictRequest]:
    """The body as its protocol reads it, and the checked request."""
    asked = protocol.read(headers, content)
    if asked.request_id is not None and b"x-request-id" not in headers:
        request_id = asked.request_id.encode()
    return asked, _predict_request(headers, request_id, asked.table, active)


def _predict_request(
    headers: Mapping[bytes, bytes], request_id: bytes, table: RequestTable, active: ActiveRelease
) -> PredictRequest:
    """The checked request; BadRequest names the header or field that is wrong."""
    route_key = headers.get(b"x-route-key")
    for name, value in (("x-request-id", request_id), ("x-route-key", route_key)):
        if value is not None and (len(value) > _ID_BYTES_MAX or not value.isascii()):
            raise BadRequest(f"{name} is at most {_ID_BYTES_MAX} ASCII characters", field=name)
    return PredictRequest(
        request_id=request_id.decode(),
        route_key=route_key.decode() if route_key else None,
        table=table,
        bound=active.binder.bind(table, active.also_known, fill_absent=True),
        until=_until(headers.get(b"x-request-timeout-ms")),
    )


def _until(timeout_ms: bytes | None) -> float | None:
    """When the client gives up, in monotonic seconds."""
    if timeout_ms is None:
        return None
    if not timeout_ms.isdigit() or not 0 < int(timeout_ms[:10]) <= TIMEOUT_MS_MAX:
        raise BadRequest(
            f"x-request-timeout-ms is a whole number of milliseconds in 1…{TIMEOUT_MS_MAX}, found {timeout_ms[:20]!r}",
            field="x-request-timeout-ms",
        )
    return time.monotonic() + int(timeout_ms) / 1000


def _headers_of(rung: Rung, generation: int, model: ModelRef | None) -> tuple[Header, ...]:
    """What headers say of who answered; `x-model-digest` is left out where no model did."""
    headers_out = [(b"x-rung", rung.value.encode()), (b"x-release-generation", str(generation).encode())]
    if model is None:
        headers_out.append((b"x-model-version", b"baseline"))
    else:
        headers_out += [(b"x-model-version", model.version.encode()), (b"x-model-digest", model.digest.encode())]
    if rung.degraded:
        headers_out.append((b"x-degraded", b"true"))
    return tuple(headers_out)
