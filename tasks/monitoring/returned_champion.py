"""A champion that returned, as the monitor sees it: accepted on the days on which it won, not after its training."""

from dataclasses import replace
from datetime import date

from tasks.ledger.store import Ledger
from tasks.monitoring.monitored_model import MonitoredModel

RETURNING = "retrain.returning"  # the journal entry of a return, whose subject is the digest


def as_accepted(ledger_dsn: str, model: MonitoredModel) -> MonitoredModel:
    """The model with the days of the comparison by which it returned last, or as it is if it never did.

    Its training lies far back: the days since were those of another regime, and say nothing about this one.
    """
    pipeline = model.champion.manifest.pipeline
    with Ledger(ledger_dsn) as ledger:
        entries = ledger.entries(pipeline, RETURNING)
    for entry in entries:  # newest first
        until = date.fromisoformat(str(entry.detail["accepted_until"]))
        if entry.subject == model.champion.digest and until <= model.until:
            since = date.fromisoformat(str(entry.detail["accepted_from"]))
            return replace(model, accepted_from=since, accepted_until=until, answers=None)
    return model
