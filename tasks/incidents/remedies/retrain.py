"""Retrain: replace the champion by a model that is trained on newer data, if there is any."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from healing.incident import AttemptOutcome, Remedy
from healing.release import Reason, Release
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog
from tasks.incidents.remedy_action import AttemptRun, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_champion
from tasks.ledger.pauses import current_pause
from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger
from tasks.runtime.flow_runs import RunState

RETRAIN_SECONDS_MAX = 1800.0  # a training with its canary
_CHAMPION_CHANGED = frozenset({Reason.PROMOTE, Reason.RETURN, Reason.ROLLBACK})


class RetrainRemedy(RemedyAction):
    """Runs the flow `retrain`. It worked if a new champion came from it and serves: only that ends drift."""

    remedy = Remedy.RETRAIN
    seconds_max = RETRAIN_SECONDS_MAX
    one_per_pipeline = True  # drift and loss of quality occur together, and one retrain treats both

    def apply(self, context: RemedyContext) -> RemedyResult:
        pause = current_pause(context.ledger, context.incident.pipeline)
        if pause is not None:
            return RemedyResult(AttemptOutcome.FUTILE, f"the pipeline is {pause}")
        day = last_day_without_gain(context.ledger, _history(context), context.incident.pipeline)
        if day is not None:
            reason = f"a retrain on the days until {day} had no gain, and the lake has no later day"
            return RemedyResult(AttemptOutcome.FUTILE, reason)
        parameters = {"pipeline": context.incident.pipeline, "incident_id": context.incident.id}
        run = context.runner.run("retrain/retrain", parameters, context.idempotency_key)
        if run is None:
            return _judge(context)
        return RemedyResult(AttemptOutcome.RUNNING, "run of retrain/retrain", flow_run_id=run)

    def observe(self, context: RemedyContext) -> Verdict:
        """Whether the new champion still serves, and answers as it should."""
        changes = _champion_changes(context)
        if changes and changes[-1].reason is Reason.ROLLBACK:
            return Verdict("champion", Outcome.FAIL, f"its champion was rolled back: {changes[-1].note}", 1)
        return observe_champion(context)

    def resume(self, context: RemedyContext, run: AttemptRun) -> RemedyResult | None:
        """Read what the retrain achieved before asking for its run: it may have been killed after its promotion."""
        if _report(context) is not None:
            return _judge(context)
        state = run.state()
        if state is None:
            return None  # killed before its start was recorded; the same key finds the run, if there is one
        if state is RunState.ACTIVE:
            return RemedyResult(AttemptOutcome.RUNNING, f"continues in run {context.attempt.flow_run_id}")
        if _is_on_trial(context):
            return RemedyResult(AttemptOutcome.RUNNING, f"its run is {state}; its candidate is on trial")
        judged = _judge(context)
        return RemedyResult(judged.outcome, f"its run is {state}; {judged.note}", release=judged.release)


def _judge(context: RemedyContext) -> RemedyResult:
    """What the retrain achieved, by the release log first: a run may be killed between its promotion and its report."""
    changes = _champion_changes(context)
    if changes and changes[-1].reason is not Reason.ROLLBACK:
        return RemedyResult(AttemptOutcome.SUCCEEDED, f"champion {changes[-1].champion.version}", release=changes[-1])
    if changes:
        note = f"its champion was rolled back: {changes[-1].note}"
        return RemedyResult(AttemptOutcome.FAILED, note, release=changes[-1])
    report = _report(context)
    if report is None:
        return RemedyResult(AttemptOutcome.FAILED, "no new champion: the retrain ended without a report")
    outcome = AttemptOutcome.FUTILE if _had_no_gain(report, _history(context)) else AttemptOutcome.FAILED
    until, result = report.detail.get("until"), report.detail.get("result")
    return RemedyResult(outcome, f"no new champion: the retrain on the days until {until} ended {result}")


def _champion_changes(context: RemedyContext) -> list[Release]:
    """Releases since the start of the attempt that changed the champion."""
    since = context.attempt.started_at
    return [each for each in _history(context) if each.created_at >= since and each.reason in _CHAMPION_CHANGED]


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
    """Whether the candidate was no better, or is fenced: training on the same days would give the same model.

    A fenced model that would have returned was not trained on these days, so a training may still help.
    """
    digest = str(report.detail.get("digest"))
    fenced = bool(history) and history[-1].fence_of(digest) is not None and not report.detail.get("returned")
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
