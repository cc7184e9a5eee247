"""Audit of the published models: changed bytes are reported, although the gateway serves from a copy."""

from collections.abc import Callable, Sequence

import structlog

from gateway.batching.versions import Version
from gateway.reporting.problems import ProblemBoard
from gateway.workers.phase import WorkerPhase
from gateway.workers.release_cache import ReleaseCache
from gateway.workers.store_calls import StoreCalls
from healing.errors import ModelCorrupt, StoreUnavailable
from healing.incident import Cause

_log = structlog.get_logger(__name__)
_AUDIT_SECONDS = 60.0
_LOOKS_BEFORE_REREADING = 300  # a disk that flips a bit changes no time stamp


class ModelAudit:
    """Reads a published model again when its file times change, and all models now and then."""

    def __init__(
        self,
        cache: ReleaseCache,
        store: StoreCalls,
        versions: Callable[[], Sequence[Version]],
        problems: ProblemBoard,
    ) -> None:
        self._cache = cache
        self._store = store
        self._versions = versions
        self._problems = problems
        self._looks = 0
        self._sound: dict[str, object] = {}  # digest to the fingerprint under which it was last found sound

    async def look(self) -> None:
        """One look at every model that is loaded."""
        self._looks += 1
        if self._looks % _LOOKS_BEFORE_REREADING == 0:
            self._sound.clear()
        versions = self._versions()
        self._sound = {v.model.digest: self._sound[v.model.digest] for v in versions if v.model.digest in self._sound}
        for version in versions:
            try:
                await self._store.run(_AUDIT_SECONDS, self._check, version)
            except ModelCorrupt as exc:
                self._problems.begin(Cause.MODEL_CORRUPT, version.model.digest, str(exc))
            except StoreUnavailable as exc:
                self._problems.begin(Cause.STORE_UNAVAILABLE, version.model.digest, str(exc))
            except OSError as exc:
                _log.warning("model_not_audited", digest=version.model.digest, reason=str(exc))
            else:
                self._clear(version)

    def _check(self, version: Version) -> None:
        digest = version.model.digest
        found = self._cache.fingerprint(version.model)
        if not found or found != self._sound.get(digest):
            self._sound.pop(digest, None)
            self._cache.audit(version.model)
            self._sound[digest] = found

    def _clear(self, version: Version) -> None:
        """A version with a worker that is about to load is cleared by that load, which checks more than digests.

        One that was set aside has no next load by itself, so that only the reason why it was set aside is left.
        """
        if all(worker.state in (WorkerPhase.READY, WorkerPhase.SET_ASIDE) for worker in version.workers.all):
            self._problems.end(version.model.digest, Cause.MODEL_CORRUPT, Cause.STORE_UNAVAILABLE)
