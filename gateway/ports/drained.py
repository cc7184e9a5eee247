"""What a drain says when the lake has a part of the log: the gateway may delete it."""

from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.log.predictions import PredictionLog, Stream
from gateway.wire.refusals import BadRequest

SEQ_MAX = 2**63 - 1


class DrainedBody(BaseModel):
    """Up to where a stream of the log is in the lake. Saying it twice, or of another log's epoch, changes nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    epoch: Annotated[str, Field(max_length=64, description="`x-log-epoch` of the pages that were read.")]
    until: Annotated[int, Field(ge=0, le=SEQ_MAX, description="Number of the last entry that is in the lake.")]


def take_drained(log: PredictionLog, stream: Stream, body: bytes) -> bytes:
    """Delete what was drained and return the answer's body; BadRequest names the field that is wrong. Blocking."""
    try:
        document = DrainedBody.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise BadRequest(f"{field or 'the body'}: {first['msg']}", field=field) from exc
    return orjson.dumps({"deleted_segments": log.drained(stream, document.epoch, document.until)})
