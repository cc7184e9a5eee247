"""What monitoring does about a new champion: compare it with the one before, and hand it over if that was a mistake."""

from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.evidence import Evidence
from healing.incident import Cause, Incident
from healing.verdict import Outcome, Verdict
from releases.signing import ensure_keys
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.evaluation.labels import day_end, day_start
from tasks.ledger.records import CheckRecord
from tasks.ledger.store import Ledger
from tasks.monitoring.checks.promotion import CHECK, Watched, watch_promoted
from tasks.monitoring.monitored_model import Subject
from tasks.monitoring.windows import DayRange
from tasks.runtime.events import EventName, emit, payload_of

OBSERVER = "watch"


@task(name="watch promotion", cache_policy=NO_CACHE, persist_result=False)
def watch_promotion(settings: Settings, config: Pipeline, subject: Subject) -> Watched | None:
    """The watch over a new champion, written into the ledger, where `heal` looks whether a promotion was a mistake.

    A cool-down does not hold it back: the mistake is the new model itself. None when no promotion is under watch.
    """
    public_key = ensure_keys(settings.keys_dir).public
    watched = watch_promoted(config, subject, settings.release_root(config.name), public_key)
    with Ledger(settings.ledger_dsn) as ledger:
        if watched is None:
            _withdraw(ledger, subject)
            return None
        ledger.record_check(_record(subject, watched.verdict, watched.window))
        if not watched.verdict.failed:
            return watched
        evidence = _evidence(config.name, watched)
        incident: Incident = ledger.record_evidence(evidence)
    emit(EventName.QUALITY_DROPPED, config.name, {**payload_of(evidence), "incident_id": incident.id})
    return watched


def _withdraw(ledger: Ledger, subject: Subject) -> None:
    """A verdict on a champion that is none any more confirms nothing."""
    pipeline = subject.model.manifest.pipeline
    stale = [record for record in ledger.latest_checks(pipeline) if record.verdict.check == CHECK]
    if any(record.verdict.failed for record in stale):
        over = Verdict(CHECK, Outcome.INCONCLUSIVE, "no promotion is under watch", 0)
        ledger.record_check(_record(subject, over, DayRange(subject.until, subject.until)))


def _record(subject: Subject, verdict: Verdict, window: DayRange) -> CheckRecord:
    zone = subject.labels.zone
    return CheckRecord(
        pipeline=subject.model.manifest.pipeline,
        cause=Cause.BAD_CANDIDATE,
        verdict=verdict,
        window_from=day_start(window.since, zone),
        window_until=day_end(window.until, zone),
        recorded_at=datetime.now(UTC),
    )


def _evidence(pipeline: str, watched: Watched) -> Evidence:
    promoted = watched.promotion.release
    return Evidence(
        pipeline=pipeline,
        cause=Cause.BAD_CANDIDATE,
        subject=promoted.champion.digest,
        observer=OBSERVER,
        observed_at=datetime.now(UTC),
        summary=watched.verdict.reason,
        facts={
            "generation": promoted.generation,
            "previous": watched.promotion.previous.digest,
            "log_e": watched.verdict.statistic,
            "threshold_log_e": watched.verdict.threshold,
            "observations": watched.verdict.observations,
        },
    )
