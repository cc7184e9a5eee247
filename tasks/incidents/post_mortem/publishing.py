"""Writes the page of each incident that ended, and publishes it in Prefect.

Level-triggered: an incident without a page gets one, whoever ended it and whatever was killed meanwhile. An escalated
incident that is over gets its page anew. A page that Prefect did not take is published later.
"""

from pathlib import Path

import structlog

from healing.errors import OrchestratorUnavailable, Transient
from healing.incident import Incident, Status
from releases.files import write_atomically
from tasks.config.settings import Settings
from tasks.incidents.post_mortem.account import Account, account_of
from tasks.incidents.post_mortem.artifact import has_prefect, publish_artifact
from tasks.incidents.post_mortem.page import as_html, as_markdown
from tasks.ledger.post_mortems import PostMortem
from tasks.ledger.store import Ledger

log = structlog.get_logger(__name__)

PAGES_MAX = 5  # per call: an older ledger with many incidents must not keep the healer from healing


def page_file(settings: Settings, incident: Incident) -> Path:
    """Where the page of the incident is."""
    folder = settings.reports_dir / incident.pipeline / "incidents"
    return folder / f"{incident.detected_at:%Y-%m-%d}_{incident.cause}_{incident.id[:8]}.html"


def write_post_mortems(settings: Settings, pipeline: str) -> int:
    """Write the pages that are due, publish those that Prefect lacks, and return how many were written.

    A full disk or an absent Prefect delays a page until a later call. StoreUnavailable if the ledger does not answer.
    """
    with Ledger(settings.ledger_dsn) as ledger:
        written = 0
        for incident_id in ledger.incidents_without_post_mortem(pipeline, PAGES_MAX):
            incident = ledger.incident(incident_id)
            try:
                page = _write(settings, account_of(ledger, incident))
            except OSError as exc:
                log.warning("post_mortem_not_written", incident=incident_id, cause=str(exc))
                break
            except Transient:
                raise
            except Exception:  # a defect in one page must delay neither healing nor the other pages
                log.exception("post_mortem_failed", incident=incident_id, cause=incident.cause)
                page = ""
            ledger.record_post_mortem(PostMortem(incident_id, incident.status, page))
            written += bool(page)
        _publish(ledger, pipeline)
        return written


def _write(settings: Settings, account: Account) -> str:
    """The path of the written page; empty for an incident that was dismissed before it was confirmed."""
    incident = account.incident
    if incident.status is Status.DISMISSED and not account.was_confirmed:
        return ""
    path = page_file(settings, incident)
    write_atomically(path, as_html(account).encode())
    log.info("post_mortem_written", incident=incident.id, cause=incident.cause, page=str(path))
    return str(path)


def _publish(ledger: Ledger, pipeline: str) -> None:
    """Publish the pages that Prefect lacks; those that it does not take now are kept."""
    if not has_prefect():
        return
    for post_mortem in ledger.unpublished_post_mortems(pipeline, PAGES_MAX):
        account = account_of(ledger, ledger.incident(post_mortem.incident_id))
        incident = account.incident
        description = f"{incident.cause} of {incident.pipeline}: {incident.status}"
        try:
            publish_artifact(f"incident-{incident.id}", as_markdown(account, Path(post_mortem.page)), description)
        except OrchestratorUnavailable as exc:
            log.info("post_mortem_not_published", incident=incident.id, cause=str(exc))
            return
        ledger.mark_published(post_mortem)
