"""The flow `monitor`: whether the champion still predicts well, and whether its inputs still look like its training.

Each check returns PASS, FAIL or INCONCLUSIVE with its numbers; one pure function combines them to a diagnosis. Labels
outrank drift: drift that costs no quality is recorded as seasonal, a quality drop that persists becomes evidence for
`heal`. The flow does not change what serves.
"""

from datetime import UTC, date, datetime

from prefect import flow

from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.monitoring.check import CheckContext
from tasks.monitoring.diagnosis import diagnose
from tasks.monitoring.distribution_report import write_distribution_report
from tasks.monitoring.evidence import cool_down_end, is_actionable, report_incident
from tasks.monitoring.monitored_model import monitored_model
from tasks.monitoring.persistence import Persistence
from tasks.monitoring.post_promotion import is_new_champion, record_promotion_check
from tasks.monitoring.renewal import ask_for_renewal, renewal_due
from tasks.monitoring.report import MonitorReport, publish_report
from tasks.monitoring.returned_champion import as_accepted
from tasks.monitoring.run_checks import record_results, run_checks
from tasks.rollout.champion import require_champion
from tasks.runtime.traces import observed
from tasks.serving.drain import drain_gateway_log


@flow(name="monitor", flow_run_name="monitor-{pipeline}", persist_result=False)
@observed
def monitor(pipeline: str, until: date | None = None, renew: bool = True) -> MonitorReport:
    """Judge the champion on the windows that end with day `until` (the last day with features if None).

    `renew`: ask for a renewal when one is due by schedule.

    Needs neither gateway nor traffic: predictions that the gateway did not log are computed, and the verdict states it.
    UsageError before the first release, and for a day before the first one with features; StoreUnavailable before the
    first ingested day.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    release_root, ledger_dsn = settings.release_root(pipeline), settings.ledger_dsn
    drained = drain_gateway_log(settings.addresses().operate, settings.lake_root(pipeline))
    champion = require_champion(pipeline, release_root, ensure_keys(settings.keys_dir).public)
    model_dir = ModelStore(release_root).fetch(champion.digest)
    model = as_accepted(ledger_dsn, monitored_model(champion, model_dir, config, settings.lake_root(pipeline), until))

    found = run_checks(CheckContext(settings, config, model, datetime.now(UTC)))
    record_promotion_check(settings, model, found.promotion)

    persistence = Persistence(config.monitor.persistence_failed, config.monitor.persistence_windows)
    conclusion = diagnose(found.by_topic(new_champion=is_new_champion(model, release_root)), persistence)
    cooling_until = cool_down_end(ledger_dsn, model)
    acts = is_actionable(conclusion) and cooling_until is None
    record_results(ledger_dsn, model, found, conclusion, acts=acts)
    incident = report_incident(ledger_dsn, model, found.quality, conclusion) if acts else None
    renews = renew and not acts and renewal_due(settings, config, model)
    if renews:
        ask_for_renewal(model)
    distributions = None
    if found.distributions_failed or config.monitor.reports == "every":  # last: healing does not wait for a page
        distributions = write_distribution_report(model, settings.reports_dir / pipeline, settings.evidently_workspace)

    report = MonitorReport.of(
        model,
        found,
        conclusion,
        drained=drained,
        cooling_until=cooling_until,
        incident=incident,
        renewal_due=renews,
        distributions=distributions,
    )
    publish_report(report)
    return report
