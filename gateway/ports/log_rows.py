"""Rows of the prediction log for one answered request."""

from datetime import UTC, datetime

from gateway.log.predictions import LogRow
from gateway.log.redaction import Redaction
from gateway.routing.request import PredictRequest, PredictResponse
from gateway.rows.answers import outputs_of
from healing.release import ModelRef

_BASELINE = ModelRef(digest="", version="baseline")  # how the log names an answer that no model gave


def log_rows(
    request: PredictRequest, answer: PredictResponse, client: str | None = None, redaction: Redaction | None = None
) -> list[LogRow]:
    """A row per prediction. It is made for every request, so the usual case has a path of its own.

    `client` is the client's number in an A/B test; it comes behind all others. `redaction` reduces the features.
    """
    rows = _log_rows(request, answer) if answer.output is None else _log_rows_with_outputs(request, answer)
    if client is not None:
        rows = [(*row, *([] if answer.output is not None else [None]), client) for row in rows]
    return rows if redaction is None else redaction.rows(rows)


def _log_rows(request: PredictRequest, answer: PredictResponse) -> list[LogRow]:
    at = datetime.now(UTC).isoformat()
    model = _BASELINE if answer.version is None else answer.version.model
    request_id, generation, rung = request.request_id, answer.generation, answer.rung.value
    digest, version, names = model.digest, model.version, answer.names
    failed, latency_ms = answer.failed, round(1000 * answer.seconds, 3)
    return [
        (
            *(request_id, number, at, generation, digest, version, rung, key),
            *(dict(zip(names, row, strict=True)), value, None, failed, latency_ms),
        )
        for number, (row, key, value) in enumerate(zip(answer.rows, request.bound.keys, answer.values, strict=True))
    ]


def _log_rows_with_outputs(request: PredictRequest, answer: PredictResponse) -> list[LogRow]:
    """Rows whose prediction is the value, with the outputs or the label that the client got behind all others."""
    assert answer.output is not None
    at, model = datetime.now(UTC).isoformat(), _BASELINE if answer.version is None else answer.version.model
    shown = answer.output.shown(answer.values, outputs_of(answer.values))
    latency_ms, request_id, rung = round(1000 * answer.seconds, 3), request.request_id, answer.rung.value
    return [
        (
            *(request_id, number, at, answer.generation, model.digest, model.version, rung, key),
            *(dict(zip(answer.names, row, strict=True)), float(value), None, answer.failed, latency_ms, outputs),
        )
        for number, (row, key, value, outputs) in enumerate(
            zip(answer.rows, request.bound.keys, answer.values, shown, strict=True)
        )
    ]
