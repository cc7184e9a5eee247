"""The ladder with spans: `route` around the choice of a version, `ask` around each version that is asked."""

from collections.abc import Sequence

from gateway.batching.outcomes import Answered, Outcome, Unanswered
from gateway.batching.versions import Version
from gateway.routing.active_release import ActiveRelease
from gateway.routing.ladder import Ladder
from gateway.routing.request import PredictRequest, PredictResponse, Rung
from gateway.rows.table import Row
from healing.release import Mode
from observability.span import AttributeValue, Span, current_span

EVALUATION = "feature_flag.evaluation"
_PROVIDER = "mlops-autopilot"


class TracedLadder(Ladder):
    """Answers as `Ladder` does. A request without a current span passes through."""

    async def answer(self, active: ActiveRelease, request: PredictRequest) -> PredictResponse:
        asker = current_span.get()
        if asker is None:
            return await super().answer(active, request)
        describe_request(asker, active, request)
        with asker.child("route").current() as span:
            response = await super().answer(active, request)
            failed = span.attributes.pop("error.type", "")  # of the version before the one that answered
        add_evaluation(asker, active, response, _reason(active, response.rung), str(failed))
        return response

    async def answer_by(self, version: Version, request: PredictRequest) -> PredictResponse | Unanswered:
        asker, active = current_span.get(), self.active
        if asker is None or active is None:
            return await super().answer_by(version, request)
        describe_request(asker, active, request)
        with asker.child("route").current():
            response = await super().answer_by(version, request)
        if isinstance(response, PredictResponse):
            add_evaluation(asker, active, response, "targeting_match", "")
        return response

    async def _ask(
        self, rung: Rung, version: Version, active: ActiveRelease, request: PredictRequest, until: float
    ) -> tuple[Outcome, Sequence[Row]]:
        asker = current_span.get()
        if asker is None:
            return await super()._ask(rung, version, active, request, until)
        with asker.child("ask").current() as span:
            span.attributes |= {"autopilot.rung": rung.value, "autopilot.model.version": version.model.version}
            outcome, rows = await super()._ask(rung, version, active, request, until)
            if not isinstance(outcome, Answered):
                kind = type(outcome).__name__.lower()
                span.fail(outcome.message, kind)
                asker.attributes["error.type"] = kind
        return outcome, rows


def describe_request(span: Span, active: ActiveRelease, request: PredictRequest) -> None:
    """Add what identifies a request, and no value of it."""
    span.attributes |= {
        "autopilot.pipeline": active.release.pipeline,
        "autopilot.request_id": request.request_id,
        "autopilot.rows": len(request.bound.rows),
    }


def add_evaluation(span: Span, active: ActiveRelease, response: PredictResponse, reason: str, failed: str) -> None:
    """Record which version answered, and why, as an evaluation of the feature flag that the pipeline is.

    `failed` is how the version ended that was asked before, where the reason is that it gave no answer.
    """
    model = None if response.version is None else response.version.model
    attributes: dict[str, AttributeValue] = {
        "feature_flag.key": active.release.pipeline,
        "feature_flag.provider.name": _PROVIDER,
        "feature_flag.result.variant": "baseline" if model is None else model.version,
        "feature_flag.result.reason": reason,
        "feature_flag.version": str(response.generation),
        "autopilot.rung": response.rung.value,
    }
    if model is not None:
        attributes["autopilot.model.digest"] = model.digest
    if failed and response.rung.degraded:
        attributes["error.type"] = failed
    span.attributes["autopilot.rung"] = response.rung.value
    span.add_event(EVALUATION, attributes)


def _reason(active: ActiveRelease, rung: Rung) -> str:
    """Why this rung answered, in the words of the semantic conventions."""
    match rung:
        case Rung.CHALLENGER:
            return "split"
        case Rung.CHAMPION:
            trial = active.release.challenger
            return "split" if trial is not None and trial.mode is Mode.CANARY else "static"
        case Rung.FALLBACK:
            return "error"
        case Rung.BASELINE:
            return "default"
