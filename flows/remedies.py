"""What `heal` can do: each remedy is safe to repeat, bounded in time, and says whether it is seen to have worked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.rollback import serve_earlier_model
from healing.errors import GatewayUnavailable, UsageError
from healing.incident import AttemptOutcome, Incident, Remedy
from healing.release import Reason, Release
from healing.remedy import Role, role_of
from healing.slo import MITIGATED, judge_served
from healing.verdict import Outcome
from releases.log import ReleaseLog
from tasks.config.pipeline import load_pipeline
from tasks.ledger.ledger import Ledger
from tasks.ledger.records import JournalEntry
from tasks.releasing.announce import announce_release
from tasks.releasing.rollback import NothingToRollBackTo
from tasks.releasing.rollout import abort_trial, drop_fallback
from tasks.releasing.traffic import GatewayState, await_gateway, await_generation, read_gateway, restart_worker
from tasks.runs import start_run
from tasks.settings import Settings

AUTHOR = "heal"
FOLLOW_SECONDS_MAX = 20.0
RESTART_SECONDS_MAX = 15.0  # a worker starts from a warm process, loads, and answers its golden rows
WAIT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Applied:
    """How a remedy went. RUNNING with a flow run: it goes on there, and a later `heal` looks at how it ended."""

    outcome: AttemptOutcome
    note: str
    flow_run_id: str | None = None
    release: Release | None = None


def apply_remedy(settings: Settings, incident: Incident, remedy: Remedy, attempt_number: int) -> Applied:
    """Apply one remedy to one incident, and look whether it worked."""
    able = _REMEDIES.get(remedy)
    if able is None:
        return Applied(AttemptOutcome.FUTILE, f"this version cannot {remedy} by itself; take it out of the policy")
    return able(settings, incident, attempt_number)


@task(name="restart worker", cache_policy=NO_CACHE)
def restart(settings: Settings, incident: Incident, _attempt: int) -> Applied:
    """Replace the model's worker process; worked when it is ready and its problem is gone."""
    operate = settings.addresses().require("operate")
    restart_worker(operate, incident.subject)

    def healthy(state: GatewayState) -> bool:
        ready = any(w.digest == incident.subject and w.state == "ready" for w in state.workers)
        return ready and not state.problems_of(incident.subject)

    try:
        await_gateway(operate, healthy, f"a ready worker of {incident.subject[:12]}", RESTART_SECONDS_MAX)
    except GatewayUnavailable as exc:
        return Applied(AttemptOutcome.FAILED, str(exc))
    return Applied(AttemptOutcome.SUCCEEDED, "the new worker is ready and its problem is gone")


def replace_model(settings: Settings, incident: Incident, _attempt: int) -> Applied:
    """Take a broken model out of service by its role: roll back a champion, end a trial, drop a fallback."""
    root = settings.release_root(incident.pipeline)
    digest = incident.subject
    match role_of(ReleaseLog(root).current(), digest):
        case Role.CHAMPION:
            return _roll_back(settings, incident)
        case Role.CHALLENGER:
            return end_trial(settings, incident, _attempt)
        case Role.FALLBACK:
            written = drop_fallback(root, digest, author=AUTHOR, incident_id=incident.id)
            return _followed(settings, incident, written, f"without fallback {digest[:12]}")
        case Role.ABSENT:
            return _followed(settings, incident, None, f"{digest[:12]} serves no more")


def _roll_back(settings: Settings, incident: Incident) -> Applied:
    try:
        release, seen = serve_earlier_model(
            settings,
            incident.pipeline,
            author=AUTHOR,
            away_from=incident.subject,
            reason=f"{incident.cause}: {incident.summary}",
            incident_id=incident.id,
        )
    except NothingToRollBackTo as exc:
        return Applied(AttemptOutcome.FUTILE, str(exc))
    if seen.verified is Outcome.FAIL:
        return Applied(AttemptOutcome.FAILED, seen.note, release=release)
    return Applied(AttemptOutcome.SUCCEEDED, f"champion {seen.version}; {seen.note}", release=release)


@task(name="end trial", cache_policy=NO_CACHE)
def end_trial(settings: Settings, incident: Incident, _attempt: int) -> Applied:
    """The challenger leaves; it has often left already, by the gateway's own guard."""
    root = settings.release_root(incident.pipeline)
    note = f"{incident.cause}: {incident.summary}"
    written = abort_trial(root, incident.subject, author=AUTHOR, incident_id=incident.id, note=note)
    return _followed(settings, incident, written, f"challenger {incident.subject[:12]} gets no traffic")


def _followed(settings: Settings, incident: Incident, written: Release | None, note: str) -> Applied:
    """See the gateway on the release just written (or on the current one), serving."""
    if written is not None:
        announce_release(settings.ledger_dsn, written)
    release = written or ReleaseLog(settings.release_root(incident.pipeline)).current()
    operate = settings.addresses().operate
    if release is None or operate is None:
        return Applied(AttemptOutcome.SUCCEEDED, f"{note}; no gateway is running", release=written)
    before = read_gateway(operate).served.counts()
    state = await_generation(operate, release.generation, FOLLOW_SECONDS_MAX)
    served = judge_served(state.served.counts().since(before), MITIGATED)
    outcome = AttemptOutcome.FAILED if served.failed else AttemptOutcome.SUCCEEDED
    return Applied(outcome, f"{note}; generation {state.active_generation} serves", release=written)


def retrain(settings: Settings, incident: Incident, attempt: int) -> Applied:
    """Replace the model by one trained on newer data: as a run of its own, or here and now."""
    parameters = {"pipeline": incident.pipeline, "incident_id": incident.id}
    if settings.dispatch == "deployment":
        return _dispatched("retrain/retrain", parameters, incident, attempt)
    from flows.retrain import retrain as run_here

    began = datetime.now(UTC)
    run_here(incident.pipeline, incident_id=incident.id)
    return judge_retrain(settings, incident, began)


def ingest_again(settings: Settings, incident: Incident, attempt: int) -> Applied:
    """Ingestion switches, repairs and quarantines by itself; one that was cut off is run again."""
    if settings.dispatch == "deployment":
        return _dispatched("ingest/ingest", {"pipeline": incident.pipeline}, incident, attempt)
    from flows.ingest import ingest as run_here

    run_here(incident.pipeline)
    return Applied(AttemptOutcome.SUCCEEDED, "ingested")


def restore_snapshot(settings: Settings, incident: Incident, _attempt: int) -> Applied:
    """Features return to what they were before a bad batch, until a correction of it comes."""
    from flows.stores import opened
    from tasks.intake.snapshots import restore_features

    config = load_pipeline(incident.pipeline, settings.pipelines_dir)
    try:
        with opened(config, settings) as stores:
            restored = restore_features(
                stores, incident.subject, by=AUTHOR, why=f"{incident.cause}: {incident.summary}"
            )
    except UsageError as exc:  # the incident is not about a batch, or about one that never came in
        return Applied(AttemptOutcome.FUTILE, str(exc))
    if restored is None:
        return Applied(AttemptOutcome.FUTILE, f"no features were made from {incident.subject}")
    note = f"features of {restored.since} to {restored.until} are those of version {restored.version} again"
    return Applied(AttemptOutcome.SUCCEEDED, note)


def wait(settings: Settings, incident: Incident, _attempt: int) -> Applied:
    """Some outages end by themselves: a gateway that restarts, a disk that is cleared."""
    operate = settings.addresses().operate
    if operate is None:
        return Applied(AttemptOutcome.FAILED, "nothing is running that could recover")

    def over(state: GatewayState) -> bool:
        return not any((p.code, p.subject) == (incident.cause, incident.subject) for p in state.problems)

    try:
        await_gateway(operate, over, f"an end of {incident.cause}", WAIT_SECONDS_MAX)
    except GatewayUnavailable as exc:
        return Applied(AttemptOutcome.FAILED, str(exc))
    return Applied(AttemptOutcome.SUCCEEDED, "it went by itself")


def judge_retrain(settings: Settings, incident: Incident, began: datetime) -> Applied:
    """Whether a new champion came since `began`: only that ends drift and loss of quality.

    A candidate that was no better is futile: the same days would teach the next one the same.
    """
    history = ReleaseLog(settings.release_root(incident.pipeline)).history()
    promoted = [r for r in history if r.reason is Reason.PROMOTE and r.created_at >= began]
    if promoted:
        return Applied(AttemptOutcome.SUCCEEDED, f"champion {promoted[-1].champion.version}", release=promoted[-1])
    report = retrain_report(settings, incident, began)
    result = None if report is None else report.detail.get("result")
    outcome = AttemptOutcome.FUTILE if result == "not_better" else AttemptOutcome.FAILED
    return Applied(outcome, f"no new champion: the retrain ended {result or 'without a report'}")


def retrain_report(settings: Settings, incident: Incident, began: datetime) -> JournalEntry | None:
    """What the retrain for this incident wrote at its end, if it came so far."""
    with Ledger(settings.ledger_dsn) as ledger:
        reports = ledger.noted(incident.pipeline, "retrain.finished")
    return next((r for r in reports if r.at >= began and r.detail.get("incident_id") == incident.id), None)


def _dispatched(deployment: str, parameters: Mapping[str, object], incident: Incident, attempt: int) -> Applied:
    """The key makes the start safe to repeat: a `heal` that died before it wrote the run down finds the same run."""
    run = start_run(deployment, parameters, idempotency_key=f"{incident.id}/{attempt}")
    return Applied(AttemptOutcome.RUNNING, f"run of {deployment}", flow_run_id=run)


_REMEDIES: Mapping[Remedy, Callable[[Settings, Incident, int], Applied]] = {
    Remedy.WAIT: wait,
    Remedy.RETRY: ingest_again,
    Remedy.SWITCH_SOURCE: ingest_again,
    Remedy.REPAIR_BATCH: ingest_again,
    Remedy.QUARANTINE_BATCH: ingest_again,
    Remedy.RESTORE_SNAPSHOT: restore_snapshot,
    Remedy.RESTART_WORKER: restart,
    Remedy.ABORT_CANARY: end_trial,
    Remedy.ROLLBACK: replace_model,
    Remedy.RETRAIN: retrain,
}
