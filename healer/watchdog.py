"""The watchdog: it detects, plans and executes once per second, and at once when the gateway reports another problem.

Every ten seconds it does what is less urgent.
"""

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

import structlog
from pydantic import SecretStr

from healer.heartbeat import beat, heartbeat_file
from healer.outage import OutageHealer
from healer.pace import TICK_SECONDS, pause
from healer.runner import RunnerWithFallback
from healing.errors import AutopilotError
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.incidents.detection import Detection
from tasks.incidents.evidence import read_signals
from tasks.incidents.incident_view import Memory
from tasks.incidents.interrupted_retrain import repeat_interrupted_retrain
from tasks.incidents.offline_lead import LastLeader
from tasks.incidents.policy import policy_of
from tasks.incidents.post_mortem.publishing import write_post_mortems
from tasks.incidents.probe import ProbeContext
from tasks.incidents.probing import Probing
from tasks.incidents.repair_loop import RepairLoop
from tasks.incidents.step_executor import StepExecutor
from tasks.incidents.stranded_trial import resume_stranded_trial
from tasks.ledger.database import LedgerUnavailable, bounded
from tasks.ledger.held_lease import HeldLease
from tasks.ledger.lease_holder import this_process
from tasks.ledger.leases import healer_lease
from tasks.ledger.store import Ledger
from tasks.rollout.release_events import republish_events
from tasks.runtime.alerts import resend_kept

log = structlog.get_logger(__name__)

SLOW_TICK_SECONDS = 10.0
CHORES_SECONDS_MAX = 5.0  # a healer that stops waits so long for chores that have begun
LEDGER_SECONDS_MAX = 2.0  # a healer that waits longer for the ledger goes on without it


class Watchdog:
    """The healer of one pipeline. It leads while it holds the pipeline's lease, and waits for the lease otherwise."""

    def __init__(self, settings: Settings, config: Pipeline) -> None:
        bound = bounded(settings.ledger_dsn, LEDGER_SECONDS_MAX)
        self._settings = settings.model_copy(update={"ledger_url": SecretStr(bound)})
        self._config = config
        self._heartbeat = heartbeat_file(settings.home, config.name)
        self._runner = RunnerWithFallback(settings)
        self._memory = Memory()
        self._outages = OutageHealer(self._settings, config, self._runner, self._memory)
        self._chores: threading.Thread | None = None

    def run(self, stop: threading.Event) -> None:
        """Heal until `stop` is set. An outage of ledger, gateway or Prefect is no reason to end."""
        log.info("healer_started", pipeline=self._config.name)
        while not stop.is_set():
            beat(self._heartbeat)
            try:
                self._lead(stop)
            except LedgerUnavailable as exc:
                self._outages.heal_until_ledger_answers(stop, str(exc), None)
            except AutopilotError as exc:
                log.warning("healer_waits", cause=str(exc))
            except Exception:  # a watchdog outlives its own defects; the supervisor and the log show them
                log.exception("healer_failed")
            stop.wait(TICK_SECONDS)
        if self._chores is not None:
            self._chores.join(CHORES_SECONDS_MAX)
        log.info("healer_stopped", pipeline=self._config.name)

    def _lead(self, stop: threading.Event) -> None:
        """Lead from acquiring the lease until it is lost or `stop` is set; return while another healer leads.

        The lease is kept during an outage of the ledger: nobody else can take it while the ledger is away for all.
        """
        last_leader = LastLeader(self._settings.home, self._config.name)
        with HeldLease(self._settings.ledger_dsn, healer_lease(self._config.name)) as lease:
            if not lease.acquire():
                last_leader.record(lease.holder)
                return
            last_leader.record(this_process())
            log.info("healer_leads", pipeline=self._config.name, token=lease.token)
            while lease.holds() and not stop.is_set():
                token = lease.token
                try:
                    self._repair(lease, stop)
                except LedgerUnavailable as exc:
                    self._outages.heal_until_ledger_answers(stop, str(exc), token)

    def _repair(self, lease: HeldLease, stop: threading.Event) -> None:
        """Repair with the ledger until the lease is lost or `stop` is set; LedgerUnavailable if it does not answer."""
        settings, pipeline = self._settings, self._config.name
        lease.renew()
        with Ledger(settings.ledger_dsn) as ledger:
            self._outages.finish_outage(ledger)
            executor = StepExecutor(
                settings, ledger, self._runner, self._memory, lease.token, self._config.alert_routing
            )
            probing = Probing(ProbeContext(settings, self._config, ledger))
            detection = Detection(settings, pipeline, probing)
            loop = RepairLoop(
                pipeline,
                executor,
                lambda: policy_of(self._config, settings),
                lambda: read_signals(settings, pipeline, ledger, probing.confirmations(), detection.read_gateway),
            )
            slow_due = 0.0
            while lease.holds() and not stop.is_set():
                started = time.monotonic()
                beat(self._heartbeat)
                lease.check_renewed()
                detection.record(ledger)
                is_soon = loop.advance(ledger.observed_incidents(pipeline))
                if started >= slow_due:
                    slow_due = started + SLOW_TICK_SECONDS
                    self._outages.finish_outage(ledger)  # another process of this host may have noted it until just now
                    self._outages.copy_incidents(ledger)
                    self._do_less_urgent()
                pause(stop, detection, started, is_soon)

    def _do_less_urgent(self) -> None:
        """Do the chores in a thread of their own, one round at a time: Prefect or an alert route may take seconds."""
        if self._chores is None or not self._chores.is_alive():
            work = partial(copy_context().run, self._do_chores)
            self._chores = threading.Thread(target=work, name="chores", daemon=True)
            self._chores.start()

    def _do_chores(self) -> None:
        """Finish what others left: stranded trials, interrupted retrains, unsent events and alerts, missing pages."""
        settings, pipeline = self._settings, self._config.name
        for name, work in (
            ("stranded_trial", lambda: resume_stranded_trial(settings, self._config, self._runner)),
            ("interrupted_retrain", lambda: repeat_interrupted_retrain(settings, self._config, self._runner)),
            ("events", lambda: republish_events(settings, pipeline)),
            ("alerts", lambda: resend_kept(settings, self._config.alert_routing)),
            ("post_mortems", lambda: write_post_mortems(settings, pipeline)),
        ):
            _attempt(name, work)


def _attempt(name: str, work: Callable[[], object]) -> None:
    """Do the work; an outage or a defect delays it until the next time, and delays nothing else."""
    try:
        work()
    except AutopilotError as exc:
        log.warning("healer_work_delayed", work=name, cause=str(exc))
    except Exception:
        log.exception("healer_work_failed", work=name)
