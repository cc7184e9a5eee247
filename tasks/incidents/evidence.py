"""Evidence that an event or the gateway brings, and the signals that incidents are confirmed against."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog

from healing.diagnosis import Confirmation, ProblemKey, Signals
from healing.errors import Corrupt, GatewayRefused, GatewayUnavailable, StoreUnavailable
from healing.evidence import Evidence
from healing.incident import Cause
from healing.release import Release
from healing.verdict import Verdict
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from tasks.config.settings import Settings
from tasks.incidents.detection import record_new
from tasks.incidents.fence_evidence import FenceEvidence
from tasks.incidents.probing import OBSERVER
from tasks.ledger.store import Ledger
from tasks.runtime.events import EventEvidence
from tasks.serving.gateway_client import GatewayReport, read_gateway

log = structlog.get_logger(__name__)


def record_evidence(settings: Settings, pipeline: str, event: EventEvidence | None) -> None:
    """Record what event, gateway and release log say now, and announce the incidents that this opens."""
    claimed = None if event is None else event.evidence(pipeline)
    fences = FenceEvidence(settings, pipeline).evidence()
    observed = [*([] if claimed is None else [claimed]), *_gateway_evidence(settings, pipeline), *fences]
    with Ledger(settings.ledger_dsn) as ledger:
        record_new(ledger, observed)


def read_signals(
    settings: Settings,
    pipeline: str,
    ledger: Ledger,
    probed: Mapping[ProblemKey, Confirmation],
    read_gateway: Callable[[], GatewayReport | None] | None = None,
) -> Signals:
    """The gateway's problems, the monitor's latest checks and the release log, read now, with what probes found.

    Without `read_gateway`, a silent gateway is asked three times within five seconds.
    """
    try:
        state = _read_patiently(settings.addresses().operate) if read_gateway is None else read_gateway()
    except GatewayRefused:
        state = None
    checks: dict[Cause, tuple[Verdict, ...]] = {}
    for record in ledger.latest_checks(pipeline):
        checks[record.cause] = (*checks.get(record.cause, ()), record.verdict)
    return Signals(
        problems=None if state is None else state.as_signals(),
        serving=() if state is None else tuple(worker.digest for worker in state.workers),
        checks=checks,
        history=_read_history(settings.release_root(pipeline)),
        served=None if state is None else state.served.counts(),
        probed=probed,
    )


def _read_history(release_root: ReleaseRoot) -> tuple[Release, ...] | None:
    """The release log, oldest first; None if a document is damaged or cannot be read, which stops no other remedy."""
    try:
        return tuple(ReleaseLog(release_root).history())
    except (Corrupt, StoreUnavailable) as exc:
        log.warning("release_log_not_read", cause=str(exc))
        return None


def _gateway_evidence(settings: Settings, pipeline: str) -> list[Evidence]:
    """The gateway's problems as evidence. A gateway that should run and does not answer is evidence, too."""
    operate = settings.addresses().operate
    if operate is None:
        return []
    try:
        state = _read_patiently(operate)
    except GatewayRefused:
        return []  # it is not down; the probe of its key reports this
    if state is None:
        summary = f"no answer from {operate}"
        return [Evidence(pipeline, Cause.GATEWAY_DOWN, "gateway", OBSERVER, datetime.now(UTC), summary)]
    return [
        Evidence(pipeline, problem.code, problem.subject, "gateway", problem.since, problem.message)
        for problem in state.problems
    ]


def _read_patiently(operate_url: str | None) -> GatewayReport | None:
    """The gateway's state; None if no gateway should run or it does not answer.

    GatewayRefused if it refuses the key of the control plane.
    """
    if operate_url is None:
        return None
    try:
        return read_gateway(operate_url)
    except GatewayRefused:
        raise
    except GatewayUnavailable as exc:
        log.warning("gateway_unavailable", cause=str(exc))
        return None
