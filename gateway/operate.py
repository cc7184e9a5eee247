"""The operate port: what serves and what is wrong, metrics, the prediction log, labels, and restarts."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.guard import Arm, Trial
from gateway.predictions import Label
from gateway.refusals import error_body
from gateway.versions import Version
from healing.release import Release
from healing.verdict import Outcome
from releases.document import ReleaseDocument

if TYPE_CHECKING:
    from gateway.service import Gateway

_PAGE_ROWS = 10_000
_PAGE_ROWS_MAX = 100_000


class Feedback(BaseModel):
    """The label of one row of one answered request."""

    model_config = ConfigDict(extra="forbid")

    request_id: Annotated[str, Field(min_length=1, max_length=256)]
    row: Annotated[int, Field(ge=0)] = 0
    label: Annotated[float, Field(allow_inf_nan=False)]


class FeedbackBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    labels: Annotated[list[Feedback], Field(min_length=1, max_length=10_000)]


def operate_app(gateway: "Gateway") -> Starlette:
    """The ASGI application of one gateway."""
    desk = _Desk(gateway)
    return Starlette(
        routes=[
            Route("/release", desk.release, methods=["GET"]),
            Route("/metrics", desk.metrics, methods=["GET"]),
            Route("/health", desk.health, methods=["GET"]),
            Route("/predictions", desk.predictions, methods=["GET"]),
            Route("/shadow", desk.shadow, methods=["GET"]),
            Route("/feedback", desk.feedback, methods=["POST"]),
            Route("/workers/{digest}/restart", desk.restart_worker, methods=["POST"]),
        ]
    )


class _Desk:
    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway

    async def release(self, _: Request) -> Response:
        return _json(release_state(self._gateway))

    async def metrics(self, _: Request) -> Response:
        self._gateway.refresh_metrics()
        return Response(self._gateway.metrics.exposition(), media_type="text/plain; version=0.0.4")

    async def health(self, _: Request) -> Response:
        return _json({"pipeline": self._gateway.settings.pipeline, "serving": self._gateway.ladder.serving is not None})

    async def predictions(self, request: Request) -> Response:
        return self._page(request, self._gateway.log.read)

    async def shadow(self, request: Request) -> Response:
        return self._page(request, self._gateway.log.read_shadow)

    def _page(self, request: Request, read: Callable[[int, int], Iterator[bytes]]) -> Response:
        """JSON lines of one of the log's streams."""
        try:
            after = int(request.query_params.get("after", "0"))
            limit = int(request.query_params.get("limit", str(_PAGE_ROWS)))
        except ValueError:
            return _refusal(400, "BAD_REQUEST", "`after` and `limit` are whole numbers", "after")
        if after < 0 or not 1 <= limit <= _PAGE_ROWS_MAX:
            return _refusal(400, "BAD_REQUEST", f"`after` is at least 0, `limit` in 1…{_PAGE_ROWS_MAX}", "limit")
        lines: AsyncIterator[bytes] = iterate_in_threadpool(read(after, limit))
        return StreamingResponse(lines, media_type="application/x-ndjson")

    async def feedback(self, request: Request) -> Response:
        try:
            body = FeedbackBody.model_validate_json(await request.body())
        except ValidationError as exc:
            first = exc.errors()[0]
            return _refusal(400, "BAD_REQUEST", first["msg"], ".".join(str(part) for part in first["loc"]) or None)
        at = datetime.now(UTC).isoformat()
        labels = [Label(x.request_id, x.row, x.label, at) for x in body.labels]
        if not await self._gateway.log.record_labels(labels):
            return _refusal(
                503, "NOT_STORED", "the labels could not be written; see /release for why, and send them again"
            )
        return _json({"accepted": len(labels)})

    async def restart_worker(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        version = self._gateway.pool.get(digest)
        if version is None:
            return _refusal(404, "NOT_LOADED", f"no version with digest {digest!r} is loaded")
        version.worker.restart()
        return _json({"digest": digest, "state": version.worker.state.value}, status=202)


def release_state(gateway: "Gateway") -> dict[str, Any]:
    """The document at `/release`."""
    serving, desired = gateway.ladder.serving, gateway.watch.desired
    served = gateway.predict.served
    return {
        "pipeline": gateway.settings.pipeline,
        "desired_generation": desired.generation if desired else 0,
        "active_generation": serving.release.generation if serving else 0,
        "release": ReleaseDocument.of(serving.release).model_dump(mode="json") if serving else None,
        "problems": [
            {"code": p.code.value, "subject": p.subject, "message": p.message, "since": p.since.isoformat()}
            for p in gateway.problems.current()
        ],
        "canary": gateway.ladder.trial and _canary(gateway.ladder.trial, condemned=gateway.ladder.condemned),
        "workers": [_worker(version, serving.release if serving else desired) for version in gateway.pool.all()],
        "served": {"good": served.good, "degraded": served.degraded, "failed": served.failed},
        "unlogged_rows": gateway.log.unlogged,
    }


def _canary(trial: Trial, *, condemned: str | None) -> dict[str, Any]:
    challenger, champion = trial.arms[True], trial.arms[False]
    failed = trial.challenger.model.digest == condemned
    return {
        "digest": trial.challenger.model.digest,
        "mode": trial.challenger.mode.value,
        "weight": trial.challenger.weight,
        "generation": trial.generation,
        "challenger": _counts(challenger),
        "champion": _counts(champion),
        "log_e": trial.test.log_e,
        "threshold_log_e": trial.test.threshold_log_e,
        "verdict": (Outcome.FAIL if failed else Outcome.INCONCLUSIVE).value,
        "latency_ms": {"challenger_p50": challenger.latency_p50_ms, "champion_p50": champion.latency_p50_ms},
    }


def _counts(arm: Arm) -> dict[str, int]:
    return {"requests": arm.requests, "errors": arm.errors}


def _worker(version: Version, release: Release | None) -> dict[str, Any]:
    return {
        "digest": version.model.digest,
        "version": version.model.version,
        "role": _role(version, release),
        "pid": version.worker.pid,
        "state": version.worker.state.value,
        "breaker": "closed" if version.breaker.closed else "open",
        "restarts": version.worker.restarts,
    }


def _role(version: Version, release: Release | None) -> str:
    """The part a version plays in the release on duty; `next` while it loads for the one that follows."""
    digest = version.model.digest
    if release is not None:
        if digest == release.champion.digest:
            return "champion"
        if release.challenger is not None and digest == release.challenger.model.digest:
            return "challenger"
        if digest in {model.digest for model in release.fallbacks}:
            return "fallback"
    return "next"


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")


def _refusal(status: int, code: str, message: str, field: str | None = None) -> Response:
    return Response(error_body(code, message, field), status_code=status, media_type="application/json")
