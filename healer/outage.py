"""Healing while the ledger cannot be reached: with the release log, the gateway and a local ledger."""

import threading
import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import structlog
from pydantic import SecretStr

from healer.heartbeat import beat, heartbeat_file
from healer.pace import TICK_SECONDS, pause
from healing.diagnosis import CONFIRMED_BY_GATEWAY, ProblemKey
from healing.errors import AutopilotError, StoreUnavailable
from healing.evidence import Evidence
from healing.incident import Cause, Incident, Status
from healing.policy import Policy
from releases.log import ReleaseLog
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.incidents.detection import Detection
from tasks.incidents.evidence import read_signals
from tasks.incidents.flow_runner import FlowRunner
from tasks.incidents.incident_view import Memory
from tasks.incidents.offline_lead import OfflineLead
from tasks.incidents.policy import policy_of
from tasks.incidents.probe import ProbeContext
from tasks.incidents.probing import OBSERVER, Probing, registered_probes
from tasks.incidents.remedy_registry import find_remedy
from tasks.incidents.repair_loop import RepairLoop
from tasks.incidents.step_executor import StepExecutor
from tasks.ledger.database import LedgerUnavailable, open_engine
from tasks.ledger.outage import offline_ledger_file
from tasks.ledger.store import Ledger
from tasks.runtime.alerts import alert, notify_over, resend_kept

log = structlog.get_logger(__name__)

PROBE_SECONDS = 1.0
NOTIFY_SECONDS = 10.0  # a backup or a restart of the database takes less
LEDGER_SUBJECT = "ledger"  # of the incident `store_unavailable` that an outage is


class LedgerProbe:
    """Asks in the background, every PROBE_SECONDS, whether the ledger takes writes; `answers` is set once it does."""

    def __init__(self, ledger_dsn: str) -> None:
        self.answers = threading.Event()
        self._dsn = ledger_dsn
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._ask, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()  # the thread may wait for a ledger that hangs, and ends by itself

    def _ask(self) -> None:
        while not self._stop.wait(PROBE_SECONDS):
            try:
                open_engine(self._dsn).dispose()
            except AutopilotError as exc:
                log.debug("ledger_still_unreachable", cause=str(exc))
            else:
                self.answers.set()
                return


class OutageHealer:
    """What the healer of one pipeline does for, during and after outages of its ledger."""

    def __init__(self, settings: Settings, config: Pipeline, runner: FlowRunner, memory: Memory) -> None:
        file = offline_ledger_file(settings.home, config.name)
        self._ledger_dsn = settings.ledger_dsn
        self._local = settings.model_copy(update={"ledger_url": SecretStr(f"sqlite:///{file}")})
        self._config = config
        self._runner = runner
        self._memory = memory
        self._heartbeat = heartbeat_file(settings.home, config.name)
        self._copied = 0

    def copy_incidents(self, ledger: Ledger) -> None:
        """Keep copies of the recent incidents, so that an outage finds what is open, and what budgets count."""
        newest = ledger.last_entry_id()
        if newest == self._copied:
            return
        copies = ledger.recent_copies(self._config.name)
        try:
            with Ledger(self._local.ledger_dsn) as local:
                if local.notes(self._config.name) is None:
                    local.replace_all(copies)
        except StoreUnavailable as exc:  # the disk is full: an outage then begins with the copies from before
            log.warning("incidents_not_copied", cause=str(exc))
            return
        self._copied = newest

    def finish_outage(self, ledger: Ledger) -> None:
        """Merge the notes of an outage, and notify people that it is over; nothing happens without either."""
        name = self._config.name
        try:
            self._merge_notes(ledger)
        except LedgerUnavailable:
            raise
        except Exception:  # notes that cannot be merged are kept, and must not stop the healing
            log.exception("outage_not_merged", pipeline=name)
        over_because = "the ledger answers again"
        for incident in ledger.observed_incidents(name):
            if (incident.cause, incident.subject) == (Cause.STORE_UNAVAILABLE, LEDGER_SUBJECT):
                over = ledger.set_status(incident.id, Status.RECOVERED, over_because)
                notify_over(self._local, over, over_because, datetime.now(UTC), self._config.alert_routing)

    def _merge_notes(self, ledger: Ledger) -> None:
        name = self._config.name
        if not offline_ledger_file(self._local.home, name).exists():
            return
        with OfflineLead(self._local.home, name) as lead, Ledger(self._local.ledger_dsn) as local:
            notes = local.notes(name)
            if notes is None or not lead.lock():
                return
            added = ledger.merge(notes)
            local.replace_all(ledger.recent_copies(name))
        log.info("outage_merged", pipeline=name, outage=notes.outage, entries=added)

    def heal_until_ledger_answers(self, stop: threading.Event, reason: str, token: int | None) -> None:
        """Heal with the local ledger until the ledger takes writes again or `stop` is set.

        `token` is that of the lease, if this healer led when the ledger went away.
        """
        name = self._config.name
        log.warning("healer_works_offline", pipeline=name, cause=reason)
        with LedgerProbe(self._ledger_dsn) as probe, OfflineLead(self._local.home, name) as lead:
            while not stop.is_set() and not probe.answers.is_set():
                beat(self._heartbeat)
                if lead.acquire():
                    try:
                        self._heal_offline(stop, probe, reason, token)
                    except AutopilotError as exc:
                        log.warning("offline_pass_failed", cause=str(exc))
                    except Exception:  # a watchdog outlives its own defects
                        log.exception("offline_pass_failed")
                stop.wait(TICK_SECONDS)

    def _heal_offline(self, stop: threading.Event, probe: LedgerProbe, reason: str, token: int | None) -> None:
        """Passes on the local ledger, at the usual pace."""
        name, began = self._config.name, datetime.now(UTC)
        with Ledger(self._local.ledger_dsn) as local:
            local.begin_outage(name, reason)
            usable = [probe for probe in registered_probes() if not probe.needs_ledger]
            probing = Probing(ProbeContext(self._local, self._config, local), usable)
            detection = Detection(self._local, name, probing)
            executor = StepExecutor(self._local, local, self._runner, self._memory, token, self._config.alert_routing)
            loop = RepairLoop(
                name,
                executor,
                lambda: offline_policy(policy_of(self._config, self._local)),
                lambda: read_signals(self._local, name, local, probing.confirmations(), detection.read_gateway),
            )
            notify_at = time.monotonic() + NOTIFY_SECONDS
            while not stop.is_set() and not probe.answers.is_set():
                started = time.monotonic()
                beat(self._heartbeat)
                detection.record(local)
                probed = probing.confirmations()
                incidents = local.observed_incidents(name)
                is_soon = loop.advance([each for each in incidents if self._can_be_observed(each, probed)])
                if started >= notify_at:
                    self._notify(local, reason, began)
                    resend_kept(self._local, self._config.alert_routing)
                    notify_at = started + NOTIFY_SECONDS
                pause(probe.answers, detection, started, is_soon)

    def _can_be_observed(self, incident: Incident, probed: Collection[ProblemKey]) -> bool:
        """Whether gateway, release log and probes say if the problem is there. The others wait for the ledger."""
        if incident.cause is Cause.BAD_CANDIDATE:
            current = ReleaseLog(self._local.release_root(self._config.name)).current()
            return current is not None and current.fence_of(incident.subject) is not None
        if incident.cause is Cause.GATEWAY_DOWN or (incident.cause, incident.subject) in probed:
            return True
        return incident.cause in CONFIRMED_BY_GATEWAY and incident.subject != LEDGER_SUBJECT

    def _notify(self, local: Ledger, reason: str, began: datetime) -> None:
        """Notify people once per outage, before it is recorded: killed in between, twice instead of never."""
        evidence = Evidence(
            self._config.name, Cause.STORE_UNAVAILABLE, LEDGER_SUBJECT, OBSERVER, began, f"no ledger: {reason}"
        )
        known = [(each.cause, each.subject) for each in local.observed_incidents(self._config.name)]
        if (evidence.cause, evidence.subject) in known:
            return
        incident = local.record_evidence(evidence, status=Status.DIAGNOSED)
        report = alert(self._local, incident, evidence.summary, datetime.now(UTC), self._config.alert_routing)
        local.escalate(incident.id, f"{evidence.summary}; {report}")


def offline_policy(policy: Policy) -> Policy:
    """The policy without the remedies that need the ledger, such as a retrain."""
    allowed = {
        cause: tuple(
            remedy for remedy in remedies if (action := find_remedy(remedy, cause)) is not None and action.works_offline
        )
        for cause, remedies in policy.remedies.items()
    }
    return replace(policy, remedies=allowed)
