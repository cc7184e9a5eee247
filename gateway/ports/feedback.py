"""Labels from clients: what came true for a row of an answered request. The same on both ports."""

from datetime import UTC, datetime
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.log.predictions import Label, PredictionLog
from gateway.wire.refusals import BadRequest
from gateway.wire.table import ROWS_MAX

LABELS_MAX = 10_000


class Feedback(BaseModel):
    """The label of one row of one answered request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: Annotated[str, Field(min_length=1, max_length=256, description="`x-request-id` of the answer.")]
    row: Annotated[int, Field(ge=0, lt=ROWS_MAX, description="Place of the row in the request.")] = 0
    label: Annotated[float, Field(allow_inf_nan=False, description="What came true; 0 or 1 for a classifier.")]


class FeedbackBody(BaseModel):
    """A request with labels. Saying the same label again changes nothing, another one for the same row replaces it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: Annotated[list[Feedback], Field(min_length=1, max_length=LABELS_MAX)]


async def take_labels(log: PredictionLog, body: bytes) -> bytes:
    """Store the labels in a request body and return the answer's; BadRequest names the field that is wrong.

    A label whose request is not in the log is kept like any other: the answer may be in another gateway's log.
    """
    try:
        document = FeedbackBody.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise BadRequest(f"{field or 'the body'}: {first['msg']}", field=field) from exc
    at = datetime.now(UTC).isoformat()
    labels = [Label(given.request_id, given.row, given.label, at) for given in document.labels]
    if not await log.record_labels(labels):
        told = "the labels could not be written; see /release on the operate port for why, and send them again"
        raise BadRequest(told, status=503, code="NOT_STORED")
    return orjson.dumps({"accepted": len(labels)})
