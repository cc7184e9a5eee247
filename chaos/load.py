"""Open-loop load: requests leave on schedule, whether or not earlier ones were answered.

A closed loop waits for its answers, so it sends less exactly when the system is slow, and its latencies hide the wait
(coordinated omission). Here request `i` is due at `start + i / rate`, and its latency counts from that moment.
Count, time and requests in flight are bounded.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
import orjson

STOP_CHECK_SECONDS = 0.25  # how late a stop may be noticed at a low rate

# Servers hang up on idle connections (uvicorn: after 5 s); a request that meets the hang-up fails through no fault of
# theirs. So the client lets go first.
KEEP_ALIVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Body:
    """One request to send. `row` names its content, so that an answer can be compared with a reference answer."""

    row: str
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request. Times are seconds of the machine's monotonic clock.

    `status` is None when no response came; `error` then names why. `predictions` is empty unless the answer was a 200
    that could be read.
    """

    index: int
    row: str
    intended_at: float
    sent_at: float
    answered_at: float
    status: int | None
    predictions: tuple[float, ...] = ()
    request_id: str = ""
    digest: str = ""
    version: str = ""
    generation: int | None = None
    rung: str = ""
    degraded: bool = False
    error: str = ""

    @property
    def latency_seconds(self) -> float:
        """From the moment the request was due, not from when it could be sent."""
        return self.answered_at - self.intended_at


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Sends `next_body(i)` to `url` at a constant rate and hands every answer to `on_answer`, in order of completion.

    It ends after `requests_max` requests or `seconds_max` seconds, or soon after `stopped()` turns true, and then waits
    for what is in flight. At `in_flight_max` unanswered requests the next one waits for a place; its latency goes on
    counting from when it was due.
    """

    url: str
    next_body: Callable[[int], Body]
    on_answer: Callable[[Answer], None]
    rate_per_second: float
    requests_max: int
    seconds_max: float
    timeout_seconds: float = 5.0
    in_flight_max: int = 256
    stopped: Callable[[], bool] = lambda: False

    async def run(self) -> int:
        """Send until a bound is met; return how many requests were sent. Raises what a callback raises."""
        places = asyncio.Semaphore(self.in_flight_max)
        timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
        connector = aiohttp.TCPConnector(limit=self.in_flight_max, keepalive_timeout=KEEP_ALIVE_SECONDS)
        start = time.monotonic()
        sent = 0
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as client,
            asyncio.TaskGroup() as requests,
        ):
            while sent < self.requests_max:
                due = start + sent / self.rate_per_second
                if due - start >= self.seconds_max or not await self._wait_until(due):
                    break
                await places.acquire()
                if time.monotonic() - start >= self.seconds_max or self.stopped():
                    break
                requests.create_task(self._send(client, places, sent, due))
                sent += 1
        return sent

    async def _wait_until(self, due: float) -> bool:
        """Sleep until `due`; False when stopped meanwhile."""
        while not self.stopped():
            left = due - time.monotonic()
            if left <= 0:
                return True
            await asyncio.sleep(min(left, STOP_CHECK_SECONDS))
        return False

    async def _send(self, client: aiohttp.ClientSession, places: asyncio.Semaphore, index: int, due: float) -> None:
        body = self.next_body(index)
        sent_at = time.monotonic()
        headers = {"content-type": "application/json", **body.headers}
        try:
            async with client.post(self.url, data=body.content, headers=headers) as response:
                answer = _read(response, await response.read(), index, body.row, due, sent_at)
        except (aiohttp.ClientError, TimeoutError) as exc:
            answer = Answer(index, body.row, due, sent_at, time.monotonic(), None, error=_describe(exc))
        finally:
            places.release()
        self.on_answer(answer)


def _read(response: aiohttp.ClientResponse, content: bytes, index: int, row: str, due: float, sent_at: float) -> Answer:
    """The answer that a response carries; a 200 that cannot be read is an error, not an answer."""
    answered_at = time.monotonic()
    headers = response.headers
    predictions: tuple[float, ...] = ()
    error = ""
    if response.status == HTTPStatus.OK:
        try:
            predictions = tuple(float(value) for value in orjson.loads(content)["predictions"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
            error = f"unreadable answer: {_describe(exc)}"
    else:
        error = content[:200].decode(errors="replace")
    generation = headers.get("x-release-generation", "")
    return Answer(
        index=index,
        row=row,
        intended_at=due,
        sent_at=sent_at,
        answered_at=answered_at,
        status=response.status,
        predictions=predictions,
        request_id=headers.get("x-request-id", ""),
        digest=headers.get("x-model-digest", ""),
        version=headers.get("x-model-version", ""),
        generation=int(generation) if generation.isdigit() else None,
        rung=headers.get("x-rung", ""),
        degraded=headers.get("x-degraded", "").lower() == "true",
        error=error,
    )


def _describe(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"
