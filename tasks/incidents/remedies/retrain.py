"""Retrain: replace the champion by a model that is trained on newer data, if there is any."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from healing.incident import AttemptOutcome, Remedy
from healing.release import Reason, Release
from releases.log import ReleaseLog
from tasks.incidents.remedy_action import AttemptRun, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger

RETRAIN_SECONDS_MAX = 1800.0  # a training with its canary
_CHAMPION_CHANGED = frozenset({Reason.PROMOTE, Reason.RETURN, Reason.ROLLBACK})


class RetrainRemedy(RemedyAction):
    """Runs the flow `retrain`. It worked if a new champion came from it and stayed: only that ends drift."""

    remedy = Remedy.RETRAIN
    seconds_max = RETRAIN_SECONDS_MAX
    one_per_pipeline = True  # drift and loss of quality occur together, and one retrain treats both

    def apply(self, context: RemedyContext) -> RemedyResult:
        day = last_day_without_gain(context.ledger, _history(context), context.incident.pipeline)
        if day is not None:
            reason = f"a retrain on the days until {day} had no gain, and the lake has no later day"
            return RemedyResult(AttemptOutcome.FUTILE, reason)
        parameters = {"pipeline": context.incident.pipeline, "incident_id": context.incident.id}
        run = context.runner.run("retrain/retrain", parameters, context.idempotency_key)
        if run is None:
            return RemedyResult(AttemptOutcome.SUCCEEDED, "the retrain ended")
        return RemedyResult(AttemptOutcome.RUNNING, "run of retrain/retrain", flow_run_id=run)

    def verify(self, context: RemedyContext, applied: RemedyResult) -> RemedyResult:  # noqa: ARG002
        """Read the release log first: a run may have been killed between its promotion and its report."""
        history = _history(context)
        changes = [r for r in history if r.created_at >= context.attempt.started_at and r.reason in _CHAMPION_CHANGED]
        if changes and changes[-1].reason is not Reason.ROLLBACK:
            note = f"champion {changes[-1].champion.version}"
            return RemedyResult(AttemptOutcome.SUCCEEDED, note, release=changes[-1])
        if changes:
            note = f"its champion was rolled back: {changes[-1].note}"
            return RemedyResult(AttemptOutcome.FAILED, note, release=changes[-1])
        report = _report(context)
        if report is None:
            return RemedyResult(AttemptOutcome.FAILED, "no new champion: the retrain ended without a report")
        outcome = AttemptOutcome.FUTILE if _had_no_gain(report, history) else AttemptOutcome.FAILED
        until, result = report.detail.get("until"), report.detail.get("result")
        return RemedyResult(outcome, f"no new champion: the retrain on the days until {until} ended {result}")

    def resume(self, context: RemedyContext, run: AttemptRun) -> RemedyResult | None:
        ended = RemedyResult(AttemptOutcome.SUCCEEDED, "the retrain ended")
        if _report(context) is not None:
            return self.verify(context, ended)
        lost_because = run.lost_because()
        if lost_because is None:
            return RemedyResult(AttemptOutcome.RUNNING, f"continues in run {context.attempt.flow_run_id}")
        if _is_on_trial(context):
            return RemedyResult(AttemptOutcome.RUNNING, f"{lost_because}; its candidate is on trial")
        verified = self.verify(context, ended)
        return RemedyResult(verified.outcome, f"{lost_because}; {verified.note}", release=verified.release)


def last_day_without_gain(ledger: Ledger, history: Sequence[Release], pipeline: str) -> date | None:
    """The last day that the latest retrain without a gain used, while the lake has no later day of features.

    None once the champion has changed after it: the same candidate may be better than another champion.
    """
    reports = ledger.entries(pipeline, "retrain.finished")
    newest = max(ledger.features(pipeline), default=None)
    changes = [after for before, after in pairwise(history) if after.champion != before.champion]
    without_gain = next((report for report in reports if _had_no_gain(report, history)), None)
    if without_gain is None or newest is None or (changes and changes[-1].created_at > without_gain.at):
        return None
    until = without_gain.detail.get("until")
    day = None if until is None else date.fromisoformat(str(until))
    return None if day is None or newest > day else day


def _had_no_gain(report: JournalEntry, history: Sequence[Release]) -> bool:
    """Whether the candidate was no better, or is fenced: training on the same days would give the same model."""
    digest = str(report.detail.get("digest"))
    fenced = bool(history) and history[-1].fence_of(digest) is not None
    return fenced or report.detail.get("result") == "not_better"


def _report(context: RemedyContext) -> JournalEntry | None:
    """The report that the retrain of this attempt wrote at its end; None if it has not ended or was killed."""
    reports = context.ledger.entries(context.incident.pipeline, "retrain.finished")
    since = context.attempt.started_at
    return next((r for r in reports if r.at >= since and r.detail.get("incident_id") == context.incident.id), None)


def _is_on_trial(context: RemedyContext) -> bool:
    """Whether a candidate of this incident is on trial, whichever process controls the trial."""
    current = ReleaseLog(context.settings.release_root(context.incident.pipeline)).current()
    return current is not None and current.challenger is not None and current.incident_id == context.incident.id


def _history(context: RemedyContext) -> list[Release]:
    return ReleaseLog(context.settings.release_root(context.incident.pipeline)).history()


REMEDIES = (RetrainRemedy(),)
