"""Bodies that clients of the prediction log send: labels, outcomes, and how far the lake has drained a stream."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.log.predictions import FeedbackLabel, FeedbackOutcome, LogStream, PredictionLog
from gateway.rows.refusals import BadRequest
from gateway.rows.table import ROWS_MAX
from releases.output import Output

LABELS_MAX = 10_000
OUTCOME_NAME = r"^[a-z][a-z0-9_]{0,63}$"
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


class OutcomeFeedback(BaseModel):
    """The value of an outcome, such as revenue or clicks, that followed from one row of one answered request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: Annotated[str, Field(min_length=1, max_length=256, description="`x-request-id` of the answer.")]
    row: Annotated[int, Field(ge=0, lt=ROWS_MAX, description="Place of the row in the request.")] = 0
    name: Annotated[str, Field(pattern=OUTCOME_NAME, description="Name of the outcome in pipeline.yaml.")]
    value: Annotated[float, Field(allow_inf_nan=False, description="The value; of several the last one counts.")]


class FeedbackBody(BaseModel):
    """A request with labels, outcomes or both.

    Saying the same again changes nothing; another label for the same row, or another value of the same outcome,
    replaces the one before.
    """

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"minProperties": 1})

    labels: Annotated[list[Feedback], Field(min_length=1, max_length=LABELS_MAX)] = []
    outcomes: Annotated[list[OutcomeFeedback], Field(min_length=1, max_length=LABELS_MAX)] = []

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if not self.labels and not self.outcomes:
            raise ValueError("expected `labels`, `outcomes` or both, found neither")
        return self


async def take_feedback(log: PredictionLog, body: bytes, output: Output | None) -> bytes:
    """Store labels and outcomes of a request body and return the answer's; BadRequest names the field that is wrong.

    A label that is text is stored as its value in `output`, the output of the champion.
    Feedback whose request is not in the log is kept like any other: the answer may be in another gateway's log.
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
    outcomes = [FeedbackOutcome(x.request_id, x.row, x.name, x.value, at) for x in document.outcomes]
    written = [log.record_labels(labels)] if labels else []
    if outcomes:
        written.append(log.record_outcomes(outcomes))
    if not all(await asyncio.gather(*written)):
        message = "the feedback could not be written; see /release on the operate port for why, and send it again"
        raise BadRequest(message, status=503, code="NOT_STORED")
    return orjson.dumps({"accepted": len(labels) + len(outcomes)})


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
