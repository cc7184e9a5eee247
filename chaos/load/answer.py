"""The record of one request: when it was due, sent and answered, and what the server answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path

import orjson

__all__ = ["Answer", "Exchange", "Lost", "decode", "read_answers", "to_line"]

ERROR_CHARACTERS_MAX = 200


class Lost(StrEnum):
    """Why a request got no response."""

    BROKEN = "broken"  # the connection was refused or closed
    TIMED_OUT = "timed_out"  # no whole response within the timeout
    UNSENT = "unsent"  # no connection was free when it was due


@dataclass(slots=True)
class Exchange:
    """One request as the loops record it; `decode` makes an Answer of it. Times are monotonic seconds."""

    index: int
    row: str
    intended_at: float
    sent_at: float
    answered_at: float
    status: int | None = None
    head: bytes = b""
    body: bytes = b""
    lost: Lost | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request. Times are seconds of the machine's monotonic clock.

    `status` is None when no response came; `lost` and `error` say why. `predictions` is empty unless the answer was a
    200 with MLflow's `{"predictions": [...]}`. `body` is kept only where the load was asked to keep bodies.
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
    lost: Lost | None = None
    error: str = ""
    body: str = ""

    @property
    def latency_seconds(self) -> float:
        """From the moment the request was due, not from when it could be sent."""
        return self.answered_at - self.intended_at


def decode(exchange: Exchange, *, keep_body: bool = False) -> Answer:
    """Read status, headers and predictions of a response. A 200 that cannot be read has an error."""
    headers = _headers(exchange.head)
    generation = headers.get("x-release-generation", "")
    predictions, error = _read_body(exchange)
    return Answer(
        index=exchange.index,
        row=exchange.row,
        intended_at=exchange.intended_at,
        sent_at=exchange.sent_at,
        answered_at=exchange.answered_at,
        status=exchange.status,
        predictions=predictions,
        request_id=headers.get("x-request-id", ""),
        digest=headers.get("x-model-digest", ""),
        version=headers.get("x-model-version", ""),
        generation=int(generation) if generation.isdigit() else None,
        rung=headers.get("x-rung", ""),
        degraded=headers.get("x-degraded", "").lower() == "true",
        lost=exchange.lost,
        error=error,
        body=exchange.body.decode(errors="replace") if keep_body else "",
    )


def to_line(answer: Answer) -> bytes:
    """The answer as one line of JSON."""
    return orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE)


def read_answers(path: Path) -> list[Answer]:
    """The answers of complete lines, in the file's order; a last line that a kill cut off is left out."""
    return list(_read_lines(path)) if path.exists() else []


def _read_lines(path: Path) -> Iterator[Answer]:
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            fields = orjson.loads(line)
            lost = None if fields["lost"] is None else Lost(fields["lost"])
            yield Answer(**{**fields, "predictions": tuple(fields["predictions"]), "lost": lost})


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    parts = (line.partition(":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in parts}


def _read_body(exchange: Exchange) -> tuple[tuple[float, ...], str]:
    """The predictions, and what is wrong with the answer."""
    if exchange.status is None:
        return (), exchange.error
    if exchange.status != HTTPStatus.OK:
        return (), exchange.body[:ERROR_CHARACTERS_MAX].decode(errors="replace")
    try:
        return tuple(float(value) for value in orjson.loads(exchange.body)["predictions"]), ""
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        return (), f"unreadable answer: {type(exc).__name__}: {exc}"
