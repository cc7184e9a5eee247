"""What the monitor does about a new champion that is worse than the model before: evidence of a bad candidate."""

from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.evidence import Evidence
from healing.incident import Cause
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tasks.monitoring.checks.promotion import CHECK, Promotion, latest_promotion
from tasks.monitoring.evidence import OBSERVER, check_record, open_incident
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.windows import DayRange


@task(cache_policy=NO_CACHE, persist_result=False)
def record_promotion_check(settings: Settings, model: MonitoredModel, found: WindowVerdict | None) -> None:
    """Record the verdict on the new champion, with which `heal` confirms a bad promotion, and report a failure.

    A cool-down does not delay this: the bad model itself is the new one. `found` is None when no promotion is checked.
    """
    with Ledger(settings.ledger_dsn) as ledger:
        if found is None:
            _withdraw(ledger, model)
            return
        ledger.record_check(check_record(model, Cause.BAD_CANDIDATE, found.verdict, found.window))
        promotion = latest_promotion(ReleaseLog(settings.release_root(model.champion.manifest.pipeline)).history())
        if found.verdict.failed and promotion is not None:
            open_incident(ledger, _evidence(model, promotion, found.verdict))


def is_new_champion(model: MonitoredModel, release_root: ReleaseRoot) -> bool:
    """Whether the champion was promoted over another model, and all judged windows began after its acceptance."""
    judged = model.rules.persistence_windows
    if len(model.windows(model.rules.window_days, judged + 1)) > judged:
        return False
    return latest_promotion(ReleaseLog(release_root).history()) is not None


def _withdraw(ledger: Ledger, model: MonitoredModel) -> None:
    """Replace a recorded failure: a verdict on a former champion confirms nothing about the current one."""
    recorded = ledger.latest_checks(model.champion.manifest.pipeline)
    if any(record.verdict.failed for record in recorded if record.verdict.check == CHECK):
        over = Verdict(CHECK, Outcome.INCONCLUSIVE, "no promotion is being checked", 0)
        ledger.record_check(check_record(model, Cause.BAD_CANDIDATE, over, DayRange(model.until, model.until)))


def _evidence(model: MonitoredModel, promotion: Promotion, verdict: Verdict) -> Evidence:
    promoted = promotion.release
    return Evidence(
        pipeline=model.champion.manifest.pipeline,
        cause=Cause.BAD_CANDIDATE,
        subject=promoted.champion.digest,
        observer=OBSERVER,
        observed_at=datetime.now(UTC),
        summary=verdict.reason,
        facts={
            "generation": promoted.generation,
            "previous": promotion.previous.digest,
            "log_e": verdict.statistic,
            "threshold_log_e": verdict.threshold,
            "observations": verdict.observations,
        },
    )
