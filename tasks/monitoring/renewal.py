"""Renewal by schedule: when the champion's data are old enough, the monitor asks for a retrain.

The age is counted in days of data, so replayed data renew as live data do. A drop of quality does not wait for it.
"""

from datetime import date, timedelta

from tasks.ledger.store import Ledger
from tasks.monitoring.monitored_model import MonitoredModel
from tasks.runtime.events import EventName, emit

RETRAIN_STARTED = "retrain.started"  # the journal entry of every retrain, with its last day as `until`


def renewal_due(ledger_dsn: str, model: MonitoredModel, every_days: int | None) -> bool:
    """Whether `every_days` have passed since the champion was accepted and since the last retrain, however it ended."""
    if every_days is None:
        return False
    with Ledger(ledger_dsn) as ledger:
        started = ledger.entries(model.champion.manifest.pipeline, RETRAIN_STARTED, limit=1)
    tried = [date.fromisoformat(str(entry.detail["until"])) for entry in started]
    return model.until >= max([model.accepted_until, *tried]) + timedelta(days=every_days)


def ask_for_renewal(model: MonitoredModel) -> None:
    """Emit the event that starts `retrain`. If it is lost, the next monitor run emits it again."""
    payload = {"until": model.until.isoformat(), "version": model.champion.manifest.version}
    emit(EventName.RENEWAL_DUE, model.champion.manifest.pipeline, payload)
