"""Starts flows for remedies: as Prefect runs while Prefect answers, as local processes while it does not.

An ingest is a local process, too, while no worker asks Prefect for runs. Two of one key would do no harm: an ingest has
the lake for itself and commits each batch once.
"""

from collections.abc import Mapping

import structlog

from healing.errors import OrchestratorUnavailable
from tasks.config.settings import Settings
from tasks.runtime.flow_runs import start_run
from tasks.runtime.local_runs import start_local_run
from tasks.runtime.schedules import has_worker

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 1.0
_INGEST = "ingest/ingest"
_FLOWS = {_INGEST: "flows.ingest:ingest", "retrain/retrain": "flows.retrain:retrain"}


class RunnerWithFallback:
    """A FlowRunner. A flow that has no local form raises OrchestratorUnavailable while Prefect is down."""

    detached = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def run(self, deployment: str, parameters: Mapping[str, object], idempotency_key: str) -> str:
        """Start the run and return its id; the same key returns the same run."""
        is_local = deployment == _INGEST and not self._has_worker()
        if self._settings.dispatch == "deployment" and not is_local:
            try:
                return start_run(deployment, parameters, idempotency_key)
            except OrchestratorUnavailable as exc:
                if deployment not in _FLOWS:
                    raise
                log.warning("flow_runs_locally", deployment=deployment, cause=str(exc))
        return start_local_run(
            self._settings, _FLOWS[deployment], parameters, idempotency_key, prefect_answers=is_local
        )

    def _has_worker(self) -> bool:
        prefect = self._settings.addresses().prefect
        return prefect is None or has_worker(prefect, _INGEST, ANSWER_SECONDS)
