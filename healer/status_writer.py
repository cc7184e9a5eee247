"""Writes the snapshot for the status page and the metrics, in a thread that nothing of the healing waits for."""

import contextlib
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

import orjson
import structlog
from pydantic import SecretStr

from healer.heartbeat import heartbeat_file
from healer.metrics import (
    ALERTS_UNSENT,
    HEALER_METRICS,
    HEARTBEAT,
    LEDGER_UP,
    ledger_samples,
    snapshot_samples,
)
from healer.status_file import metrics_file, snapshot_file
from healer.status_snapshot import StatusSnapshot, read_snapshot
from healing.errors import AutopilotError
from releases.exposition import Sample, exposition
from releases.files import write_atomically
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.ledger.database import bounded
from tasks.ledger.outage import offline_ledger_file
from tasks.ledger.store import Ledger
from tasks.rollout.rollout_status import PROGRESS_FILE
from tasks.runtime.alerts import unsent_alerts

log = structlog.get_logger(__name__)

SNAPSHOT_SECONDS = 10.0  # between two snapshots while nothing changes: their age shows that the healer lives
CHANGE_SECONDS = 2.0  # between two looks for a change, one query each
_LEDGER_SECONDS_MAX = 2.0
_JOIN_SECONDS_MAX = 5.0


class StatusWriter:
    """`with StatusWriter(settings, config):` writes until the end of the block. Leading or not, it only reads."""

    def __init__(self, settings: Settings, config: Pipeline) -> None:
        bound = bounded(settings.ledger_dsn, _LEDGER_SECONDS_MAX)
        self._settings = settings.model_copy(update={"ledger_url": SecretStr(bound)})
        self._config = config
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status-writer", daemon=True)
        self._ledger: Ledger | None = None
        self._written: StatusSnapshot | None = None
        self._written_at = 0.0
        self._ledger_samples: list[Sample] = []  # the last known ones, also during an outage
        self._state: tuple[int, int] | None = None  # the newest journal entry, and the time of the rollout's report

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_JOIN_SECONDS_MAX)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.write_if_due()
            except Exception:  # a page without news is no reason to disturb the healing
                log.exception("status_not_written", pipeline=self._config.name)
            self._stop.wait(CHANGE_SECONDS)
        if self._ledger is not None:
            self._ledger.close()

    def write_if_due(self) -> bool:
        """Write a snapshot if something changed or is in progress, or the last one is old; returns whether it did."""
        error, newest = "", 0
        try:
            if self._ledger is None:
                self._ledger = Ledger(self._settings.ledger_dsn)
            newest = self._ledger.last_entry_id()
        except AutopilotError as exc:
            error = str(exc)
        state = newest, self._rollout_reported_ns()
        is_changing = self._written is None or self._written.has_unfinished_incident or state != self._state
        if not (is_changing or error) and time.monotonic() - self._written_at < SNAPSHOT_SECONDS:
            return False
        snapshot = self._read(error)
        self._write(snapshot)
        self._write_metrics(snapshot, error)
        self._state = state
        return True

    def _rollout_reported_ns(self) -> int:
        """When the controller of a rollout wrote its last report; 0 without one."""
        try:
            return (self._settings.release_dir(self._config.name) / PROGRESS_FILE).stat().st_mtime_ns
        except OSError:
            return 0

    def _read(self, error: str) -> StatusSnapshot:
        """The snapshot; during an outage of the ledger, with incidents from the healer's local notes."""
        settings, config = self._settings, self._config
        if not error:
            return read_snapshot(settings, config, self._ledger)
        found = read_snapshot(settings, config, None, f"the ledger does not answer: {error}")
        notes_file = offline_ledger_file(settings.home, config.name)
        if not notes_file.exists():
            return found
        with Ledger(f"sqlite:///{notes_file}") as notes:
            local = read_snapshot(settings, config, notes).sections["incidents"]
        return replace(found, sections={**found.sections, "incidents": local})

    def _write(self, snapshot: StatusSnapshot) -> None:
        path = snapshot_file(self._settings.home, snapshot.pipeline)
        try:
            write_atomically(path, orjson.dumps(snapshot, option=orjson.OPT_NON_STR_KEYS, default=str))
        except OSError as exc:  # a full disk: the page shows the age of the last snapshot
            log.warning("status_not_written", path=str(path), cause=str(exc))
            return
        self._written, self._written_at = snapshot, time.monotonic()

    def _write_metrics(self, snapshot: StatusSnapshot, error: str) -> None:
        settings, name = self._settings, self._config.name
        if not error and self._ledger is not None:
            self._ledger_samples = ledger_samples(self._ledger, name)
        samples = [
            *snapshot_samples(snapshot),
            *self._ledger_samples,
            Sample(LEDGER_UP, (), int(not error)),
            Sample(ALERTS_UNSENT, (), unsent_alerts(settings)),
        ]
        with contextlib.suppress(OSError):  # no heartbeat yet
            samples.append(Sample(HEARTBEAT, (), heartbeat_file(settings.home, name).stat().st_mtime))
        path = metrics_file(settings.home, name)
        try:
            write_atomically(path, exposition(HEALER_METRICS, name, samples))
        except OSError as exc:  # a full disk: the time of the last metrics shows it
            log.warning("metrics_not_written", path=str(path), cause=str(exc))
