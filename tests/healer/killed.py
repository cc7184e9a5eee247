"""The resident healer as functions, for a process that kills itself at a crash point.

Passes, looks and samples are ten times as frequent as in service: what a kill does not depend on their number.
"""

import threading
import time
from collections.abc import Callable

from healer import pace, watchdog
from healing.incident import Incident
from releases.log import ReleaseLog
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.incidents import detection, service_observation
from tasks.incidents.probe import Probe
from tasks.incidents.remedies.wait import WaitRemedy
from tasks.ledger.store import Ledger

SECONDS_MAX = 120.0


def heal_until_ended(pipeline: str) -> None:
    """Run the healer until every incident has ended."""
    _heal(pipeline, _every_incident(pipeline, lambda incident, _: incident.ended))


def heal_without_patience(pipeline: str) -> None:
    """Run the healer until every incident has ended. Waiting for the end of a problem takes half a second at most."""
    WaitRemedy.verify_seconds_max = 0.5
    heal_until_ended(pipeline)


def heal_until_carried(pipeline: str) -> None:
    """Run the healer until a flow run carries every incident's attempt."""

    def is_carried(incident: Incident, _: Ledger) -> bool:
        return incident.running_attempt is not None and incident.running_attempt.flow_run_id is not None

    _heal(pipeline, _every_incident(pipeline, is_carried))


def heal_until_asked(pipeline: str) -> None:
    """Run the healer until every incident waits for an approval."""
    _heal(pipeline, _every_incident(pipeline, lambda incident, ledger: bool(ledger.approvals(incident.id))))


def heal_until_no_trial(pipeline: str) -> None:
    """Run the healer until no challenger is on trial, and every release is announced."""
    root = load_settings().release_root(pipeline)

    def is_over(ledger: Ledger) -> bool:
        history = ReleaseLog(root).history()
        announced = ledger.entries(pipeline, "release.committed")
        return history[-1].challenger is None and len(announced) == len(history)

    _heal(pipeline, is_over)


def _every_incident(pipeline: str, is_done: Callable[[Incident, Ledger], bool]) -> Callable[[Ledger], bool]:
    def every(ledger: Ledger) -> bool:
        incidents = ledger.incidents(pipeline)
        return bool(incidents) and all(is_done(incident, ledger) for incident in incidents)

    return every


def _heal(pipeline: str, is_done: Callable[[Ledger], bool]) -> None:
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    stop = threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + SECONDS_MAX
        with Ledger(settings.ledger_dsn) as ledger:
            while not is_done(ledger) and time.monotonic() < deadline:
                time.sleep(0.05)
        stop.set()

    watchdog.TICK_SECONDS = pace.TICK_SECONDS = pace.SOON_SECONDS = 0.1
    watchdog.SLOW_TICK_SECONDS = 1.0
    watchdog.CHORES_SECONDS_MAX = 60.0  # what they leave undone would be another end
    watchdog.LEDGER_SECONDS_MAX = 30.0  # a busy disk is no outage of the ledger; tests/healer/test_outage.py has those
    Probe.every_seconds = 0.2
    detection.SILENT_SECONDS_MIN = 0.2
    service_observation.SAMPLE_SECONDS = 0.05
    threading.Thread(target=watch, daemon=True).start()
    watchdog.Watchdog(settings, config).run(stop)
