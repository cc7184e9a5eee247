"""The resident healer as a function, for a process that kills itself at a crash point."""

import threading
import time

from healer.watchdog import Watchdog
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.ledger.store import Ledger

SECONDS_MAX = 120.0


def heal_until_ended(pipeline: str) -> None:
    """Run the healer until every incident has ended."""
    _heal(pipeline, lambda incident: incident.ended)


def heal_until_carried(pipeline: str) -> None:
    """Run the healer until a flow run carries every incident's attempt."""
    _heal(pipeline, lambda i: i.running_attempt is not None and i.running_attempt.flow_run_id is not None)


def _heal(pipeline, is_done) -> None:
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    stop = threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + SECONDS_MAX
        with Ledger(settings.ledger_dsn) as ledger:
            while not _are(is_done, ledger.incidents(pipeline)) and time.monotonic() < deadline:
                time.sleep(0.1)
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    Watchdog(settings, config).run(stop)


def _are(is_done, incidents) -> bool:
    return bool(incidents) and all(map(is_done, incidents))
