"""What `heal` can do: each remedy is safe to repeat, bounded in time, and says whether it is seen to have worked."""

from collections.abc import Callable, Mapping

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.applied import Applied, dispatched
from flows.renewal import retrain
from healing.errors import GatewayUnavailable, UsageError
from healing.incident import Attempt, AttemptOutcome, Incident, Remedy
from healing.release import Release
from healing.remedy import Role, role_of
from healing.slo import MITIGATED, judge_served
from healing.verdict import Outcome
from releases.log import ReleaseLog
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings
from tasks.rollout.release_changes import abort_trial, drop_fallback
from tasks.rollout.release_events import announce_release
from tasks.rollout.rollback import NothingToRollBackTo, RollbackOrder, serve_earlier_model
from tasks.serving.gateway_client import GatewayState, await_gateway, await_generation, read_gateway, restart_worker

AUTHOR = "heal"
FOLLOW_SECONDS_MAX = 20.0
RESTART_SECONDS_MAX = 15.0  # a worker starts from a warm process, loads, and answers its golden rows
WAIT_SECONDS_MAX = 10.0


def apply_remedy(settings: Settings, incident: Incident, remedy: Remedy, attempt_number: int) -> Applied:
    """Apply one remedy to one incident, and look whether it worked."""
    able = _REMEDIES.get(remedy)
    if able is None:
        return Applied(AttemptOutcome.FUTILE, f"this version cannot {remedy} by itself; take it out of the policy")
    return able(settings, incident, attempt_number)


def has_written_release(settings: Settings, incident: Incident, attempt: Attempt) -> bool:
    """Whether a remedy that was cut off had come so far as to change what serves; a retrain changes it otherwise."""
    if attempt.remedy not in (Remedy.ROLLBACK, Remedy.ABORT_CANARY):
        return False
    current = ReleaseLog(settings.release_root(incident.pipeline)).current()
    return current is not None and current.incident_id == incident.id and current.created_at >= attempt.started_at


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
    order = RollbackOrder(
        pipeline=incident.pipeline,
        author=AUTHOR,
        away_from=incident.subject,
        reason=f"{incident.cause}: {incident.summary}",
        incident_id=incident.id,
    )
    try:
        release, seen = serve_earlier_model(settings, order)
    except NothingToRollBackTo as exc:
        return Applied(AttemptOutcome.FUTILE, str(exc))
    if seen.verified is Outcome.FAIL:
        return Applied(AttemptOutcome.FAILED, seen.note, release=release)
    return Applied(AttemptOutcome.SUCCEEDED, f"champion {seen.version}; {seen.note}", release=release)


@task(name="end trial", cache_policy=NO_CACHE)
def end_trial(settings: Settings, incident: Incident, _attempt: int) -> Applied:
    """The challenger leaves and is fenced; it has often left already, by the gateway's own guard."""
    root = settings.release_root(incident.pipeline)
    if role_of(ReleaseLog(root).current(), incident.subject) is Role.CHAMPION:
        return Applied(AttemptOutcome.FUTILE, f"the trial of {incident.subject[:12]} is over: it is champion")
    note = f"{incident.cause}: {incident.summary}"
    written = abort_trial(root, incident.subject, author=AUTHOR, incident_id=incident.id, note=note, fence=True)
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


def ingest_again(settings: Settings, incident: Incident, attempt: int) -> Applied:
    """Ingestion switches, repairs and quarantines by itself; one that was cut off is run again."""
    if settings.dispatch == "deployment":
        return dispatched("ingest/ingest", {"pipeline": incident.pipeline}, incident, attempt)
    from flows.ingest import ingest as run_here

    run_here(incident.pipeline)
    return Applied(AttemptOutcome.SUCCEEDED, "ingested")


def restore_snapshot(settings: Settings, incident: Incident, _attempt: int) -> Applied:
    """Features return to what they were before a bad batch, until a correction of it comes."""
    from tasks.ingestion.snapshots import restore_features
    from tasks.ingestion.stores import open_stores

    config = load_pipeline(incident.pipeline, settings.pipelines_dir)
    try:
        with open_stores(config, settings) as stores:
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
