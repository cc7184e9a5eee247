"""Starts flows for remedies: as Prefect runs while Prefect answers, as local processes while it does not."""

from collections.abc import Mapping

import structlog

from healing.errors import OrchestratorUnavailable
from tasks.config.settings import Settings
from tasks.runtime.flow_runs import start_run
from tasks.runtime.local_runs import start_local_run

log = structlog.get_logger(__name__)

_FLOWS = {"ingest/ingest": "flows.ingest:ingest", "retrain/retrain": "flows.retrain:retrain"}


class RunnerWithFallback:
    """A FlowRunner. A flow that has no local form raises OrchestratorUnavailable while Prefect is down."""

    detached = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def run(self, deployment: str, parameters: Mapping[str, object], idempotency_key: str) -> str:
        """Start the run and return its id; the same key returns the same run."""
        if self._settings.dispatch == "deployment":
            try:
                return start_run(deployment, parameters, idempotency_key)
            except OrchestratorUnavailable as exc:
                if deployment not in _FLOWS:
                    raise
                log.warning("flow_runs_locally", deployment=deployment, cause=str(exc))
        return start_local_run(self._settings, _FLOWS[deployment], parameters, idempotency_key)
