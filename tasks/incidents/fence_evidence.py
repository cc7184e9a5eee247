"""Fences in the release log as evidence, so that an abort whose event was lost has its incident all the same."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from healing.errors import Corrupt, StoreUnavailable
from healing.evidence import Evidence
from healing.fence import Fence
from healing.incident import Cause
from releases.log import ReleaseLog
from tasks.config.settings import Settings
from tasks.rollout.rollout import AUTHOR, GATEWAY_AUTHOR

log = structlog.get_logger(__name__)

# The event of an abort, or the controller that wrote it, records the incident first; a fence of `heal` has one.
SETTLE_SECONDS = 5.0
_AUTHORS = (GATEWAY_AUTHOR, AUTHOR)


@dataclass(slots=True)
class FenceEvidence:
    """Reads the fences of one pipeline. Each fence is evidence once per process.

    The ledger stores an observation once, and adds it to the incident that had not ended when the fence was set. So a
    restarted process, or another one, opens no second incident.
    """

    settings: Settings
    pipeline: str
    _read: set[Fence] = field(default_factory=set)

    def evidence(self) -> list[Evidence]:
        """Evidence of the fences that a program set and that this process has not read before."""
        try:
            current = ReleaseLog(self.settings.release_root(self.pipeline)).current()
        except (StoreUnavailable, Corrupt) as exc:
            log.warning("fences_not_read", cause=str(exc))
            return []
        fences = [] if current is None else [fence for fence in current.fenced if self._is_new(fence)]
        self._read.update(fences)
        return [
            Evidence(
                pipeline=self.pipeline,
                cause=Cause.BAD_CANDIDATE,
                subject=fence.digest,
                observer=fence.by,
                observed_at=fence.at,
                summary=f"{fence.by} fenced {fence.version}: {fence.why}",
            )
            for fence in fences
        ]

    def _is_new(self, fence: Fence) -> bool:
        age_seconds = (datetime.now(UTC) - fence.at).total_seconds()
        return fence.by in _AUTHORS and age_seconds >= SETTLE_SECONDS and fence not in self._read
