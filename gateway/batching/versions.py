"""The active model versions: each with its workers, its batcher and its breaker."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog

from gateway.batching.batcher import Batcher
from gateway.batching.limits import BatchLimits, RouterCost
from gateway.guards.breaker import VersionBreaker
from gateway.guards.refused_rows import RefusedRows
from gateway.guards.window import StuckOutput, VersionWindow
from gateway.reporting.problems import Condition, ProblemBoard
from gateway.rows.ranges import TrainingRanges
from gateway.rows.schema import Binder, binder_of
from gateway.rows.table import Row
from gateway.settings import GatewaySettings
from gateway.workers.group import WorkerGroup
from gateway.workers.order import LoadOrder
from gateway.workers.phase import WorkerPhase
from gateway.workers.release_cache import ReleaseCache
from gateway.workers.store_calls import StoreCalls, StoreHangs
from gateway.workers.timing import WorkerTiming
from gateway.workers.warm import WarmForks
from gateway.workers.worker import Worker
from healing.errors import Corrupt, StoreUnavailable
from healing.incident import Cause
from healing.release import ModelRef, Release
from releases.manifest import Manifest
from releases.output import Output

_log = structlog.get_logger(__name__)
_OBTAIN_SECONDS = 60.0  # a model of some hundred megabytes is read twice and copied once
_MANIFEST_SECONDS = 5.0


class Version:
    """One model version. `manifest` is None while it cannot be read; the version then does not answer."""

    def __init__(self, model: ModelRef, workers: WorkerGroup, batcher: Batcher) -> None:
        self.model = model
        self.workers = workers
        self.batcher = batcher
        self.breaker = VersionBreaker()
        self.window = VersionWindow()
        self.refused_rows = RefusedRows()
        self.manifest: Manifest | None = None
        self.binder: Binder | None = None
        self.output: Output | None = None  # where a client gets something else than the value of a row
        self.ranges: TrainingRanges | None = None
        self.slower_than_fallback = False  # by the latest comparison; a fallback then takes what it cannot do in time
        self._stuck: StuckOutput | None = None

    def describe(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.binder = binder_of(manifest.input_schema)
        self.output = None if manifest.output is None or manifest.output.is_plain else manifest.output
        self.ranges = TrainingRanges(manifest)
        self._stuck = StuckOutput(manifest)

    def restart(self) -> None:
        """Replace the processes. What is known against the version stays known, and one request or death decides anew.

        A worker that was set aside is set aside again by its next death, and an open breaker lets the next request
        through as a probe.
        """
        self.workers.restart()
        self.breaker.half_open(time.monotonic())

    def conditions(self) -> Iterator[Condition]:
        """Why requests are kept away from this version or from one of its workers now, or soon will be again."""
        if self.workers.keeps_growing:
            message = f"workers of version {self.model.version} grow beyond their memory limit after each restart"
            yield Cause.MODEL_FAILING, self.model.digest, message
        elif self.workers.state is WorkerPhase.SET_ASIDE:
            yield Cause.MODEL_FAILING, self.model.digest, self.workers.set_aside_because
        elif not self.breaker.closed:
            note = f": {self.batcher.note}" if self.batcher.note else ""
            message = f"version {self.model.version} fails requests that others answer{note}"
            yield Cause.MODEL_FAILING, self.model.digest, message
        if missing := "; ".join(self.workers.missing()):
            yield Cause.UNKNOWN, self.model.digest, missing

    def output_is_stuck(self, rows: Sequence[Row], values: Sequence[float]) -> bool:
        """Take answers; whether the version gives the same one to everything."""
        return self._stuck is not None and self._stuck.take(rows, values)


def models_of(release: Release) -> list[ModelRef]:
    """Every model that a release names: champion, challenger, fallbacks."""
    trial = [] if release.challenger is None else [release.challenger.model]
    return [release.champion, *trial, *release.fallbacks]


class VersionPool:
    """Starts the versions of a release, and stops those that no active release names."""

    def __init__(
        self,
        settings: GatewaySettings,
        cache: ReleaseCache,
        store: StoreCalls,
        forks: WarmForks,
        problems: ProblemBoard,
        batcher: type[Batcher] = Batcher,
    ) -> None:
        self._cache = cache
        self._store = store
        self._settings = settings
        self._timing = WorkerTiming.of(settings)
        self._order = LoadOrder(
            settings.public_key,
            frozenset(settings.trusted_types),
            settings.worker_memory_bytes_max,
            settings.allow_pyfunc,
            quotes_values=not (settings.log_drop or settings.log_hash or settings.log_share < 1),
        )
        self._forks = forks
        self._problems = problems
        self._batcher = batcher
        problems.sources.append(self.conditions)
        self._router = RouterCost()
        self._versions: dict[str, Version] = {}
        self._stopping = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()

    def __getitem__(self, digest: str) -> Version:
        return self._versions[digest]

    def get(self, digest: str) -> Version | None:
        return self._versions.get(digest)

    def all(self) -> list[Version]:
        return list(self._versions.values())

    def conditions(self) -> Iterator[Condition]:
        """The conditions of all versions."""
        for version in self.all():
            yield from version.conditions()

    def workers(self) -> list[WorkerGroup]:
        return [version.workers for version in self._versions.values()]

    async def ensure(self, release: Release) -> None:
        """Have workers for every model of the release; those that had given up start over."""
        for model in models_of(release):
            version = self._versions.get(model.digest)
            if version is None:
                version = self._versions[model.digest] = self._begin(model)
            else:
                version.workers.restart_ended()
        await self.describe()

    async def describe(self) -> None:
        """Read the manifests that could not be read before."""
        for version in self.all():
            if version.manifest is None:
                await self._describe(version)

    def _begin(self, model: ModelRef) -> Version:
        parts = (model, self._obtain, self._order, self._forks, self._problems, self._timing)
        workers = WorkerGroup([Worker(*parts) for _ in range(self._settings.workers_per_version)])
        workers.start()
        return Version(model, workers, self._batcher(workers, BatchLimits.of(self._settings), self._router))

    async def _obtain(self, model: ModelRef) -> Path:
        """A directory to load the model from; the own copy where the release root hangs."""
        try:
            return await self._store.run(_OBTAIN_SECONDS, self._cache.obtain, model)
        except StoreHangs:
            return await self._store.run(_OBTAIN_SECONDS, self._cache.obtain_copy, model)

    async def _describe(self, version: Version) -> None:
        try:
            manifest = await self._store.run(_MANIFEST_SECONDS, self._cache.manifest, version.model)
        except (Corrupt, StoreUnavailable) as exc:
            # The worker meets the same file and puts it on the problem board.
            _log.debug("manifest_unreadable", digest=version.model.digest, reason=str(exc))
            return
        version.describe(manifest)

    def retire_all_but(self, keep: Iterable[str]) -> None:
        """Stop the versions that are not in `keep`, after as long as a request that knows them may still take."""
        for digest in self._versions.keys() - set(keep):
            version = self._versions.pop(digest)
            version.workers.retire()
            task = asyncio.create_task(self._retire(version))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, version: Version) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.request_deadline_seconds):
                await self._stopping.wait()
        await version.workers.stop()
        _log.info("version_retired", version=version.model.version, digest=version.model.digest)

    async def stop(self) -> None:
        """Stop every worker, those included that were waiting for their last requests."""
        self._stopping.set()
        self.retire_all_but(())
        await asyncio.gather(*self._retiring)
