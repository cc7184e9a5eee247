"""Bodies that clients of the prediction log send: labels, and how far the lake has drained a stream."""

from datetime import UTC, datetime
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.log.predictions import FeedbackLabel, LogStream, PredictionLog
from gateway.rows.refusals import BadRequest
from gateway.rows.table import ROWS_MAX
from releases.output import Output

LABELS_MAX = 10_000
SEQ_MAX = 2**63 - 1


class Feedback(BaseModel):
    """The label of one row of one answered request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: Annotated[str, Field(min_length=1, max_length=256, description="`x-request-id` of the answer.")]
    row: Annotated[int, Field(ge=0, lt=ROWS_MAX, description="Place of the row in the request.")] = 0
    label: (
        Annotated[float, Field(allow_inf_nan=False, description="What came true; 0 or 1 for a classifier.")]
        | Annotated[str, Field(max_length=256, description="One of the model's classes, where these are texts.")]
    )


class FeedbackBody(BaseModel):
    """A request with labels. Saying the same label again changes nothing, another one for the same row replaces it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: Annotated[list[Feedback], Field(min_length=1, max_length=LABELS_MAX)]


async def take_labels(log: PredictionLog, body: bytes, output: Output | None) -> bytes:
    """Store the labels in a request body and return the answer's; BadRequest names the field that is wrong.

    A label that is text is stored as its value in `output`, the output of the champion.
    A label whose request is not in the log is kept like any other: the answer may be in another gateway's log.
    """
    try:
        document = FeedbackBody.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise BadRequest(f"{field or 'the body'}: {first['msg']}", field=field) from exc
    at = datetime.now(UTC).isoformat()
    labels = [
        FeedbackLabel(given.request_id, given.row, _value_of(given.label, output, place), at)
        for place, given in enumerate(document.labels)
    ]
    if not await log.record_labels(labels):
        message = "the labels could not be written; see /release on the operate port for why, and send them again"
        raise BadRequest(message, status=503, code="NOT_STORED")
    return orjson.dumps({"accepted": len(labels)})


def _value_of(label: float | str, output: Output | None, place: int) -> float:
    if not isinstance(label, str):
        return label
    value = None if output is None else output.value_of(label)
    if value is None:
        classes = "" if output is None else ", ".join(map(str, output.names))[:200]
        expected = f"one of {classes}" if classes else "a number"
        raise BadRequest(f"labels.{place}.label is {expected}, found {label!r:.80}", field=f"labels.{place}.label")
    return value


class DrainedBody(BaseModel):
    """Up to where a stream of the log is in the lake. Saying it twice, or of another log's epoch, changes nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    epoch: Annotated[str, Field(max_length=64, description="`x-log-epoch` of the pages that were read.")]
    until: Annotated[int, Field(ge=0, le=SEQ_MAX, description="Number of the last entry that is in the lake.")]


def take_drained(log: PredictionLog, stream: LogStream, body: bytes) -> bytes:
    """Delete what was drained and return the answer's body; BadRequest names the field that is wrong. Blocking."""
    try:
        document = DrainedBody.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise BadRequest(f"{field or 'the body'}: {first['msg']}", field=field) from exc
    return orjson.dumps({"deleted_segments": log.drained(stream, document.epoch, document.until)})
