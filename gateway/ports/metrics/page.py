"""The page at `/metrics`: the gateway's own metrics, those of its process, and those that the healer wrote."""

import asyncio

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from gateway.ports.metrics import requests, service, trial, versions
from gateway.ports.metrics.requests import request_samples
from gateway.ports.metrics.service import control_plane_text, service_samples
from gateway.ports.metrics.trial import trial_samples
from gateway.ports.metrics.versions import version_samples
from gateway.ports.state import GatewayState
from gateway.workers.store_calls import StoreCalls
from healing.errors import StoreUnavailable
from releases.exposition import Sample, exposition

GATEWAY_METRICS = (*requests.METRICS, *versions.METRICS, *trial.METRICS, *service.METRICS)
_DISK_SECONDS_MAX = 1.0


class MetricsPage:
    """The metrics of one gateway. The event loop copies counters; text is made and disks are read in threads."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._disk_calls = StoreCalls(calls_max=1)
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)

    async def text(self) -> bytes:
        """What holds now. A disk that hangs costs the healer's part and nothing else."""
        own = await asyncio.to_thread(self._own_text, list(gateway_samples(self._state)))
        path = self._state.settings.control_plane_metrics_file
        try:
            return own + await self._disk_calls.run(_DISK_SECONDS_MAX, control_plane_text, path)
        except StoreUnavailable:
            return own

    def _own_text(self, samples: list[Sample]) -> bytes:
        return exposition(GATEWAY_METRICS, self._state.settings.pipeline, samples) + generate_latest(self._process)


def gateway_samples(state: GatewayState) -> list[Sample]:
    """Every sample of a gateway."""
    return [*request_samples(state), *version_samples(state), *trial_samples(state), *service_samples(state)]
