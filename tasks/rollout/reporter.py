"""Telling how far a rollout is while it goes on: a file for commands, an artifact for Prefect's page."""

import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import structlog

from tasks.rollout.progress import Progress, ProgressFile
from tasks.rollout.rollout_status import page

log = structlog.get_logger(__name__)

ARTIFACT_SECONDS = 5.0  # between two updates of the artifact within one phase: each is a request to Prefect


class Reporter:
    """Reports one rollout from inside its flow run. Prefect may be away: the rollout goes on without its artifact."""

    def __init__(self, release_root: Path, pipeline: str) -> None:
        self._file = ProgressFile(release_root)
        self._key = f"release-{pipeline}".replace("_", "-")
        self._artifact: UUID | None = None
        self._told_at = 0.0
        self._last: Progress | None = None

    def tell(self, progress: Progress) -> None:
        """Write the file now, and the artifact where there is news or it is old."""
        self._file.write(progress)
        news = self._last is None or progress.step != self._last.step
        self._last = progress
        if not news and time.monotonic() - self._told_at < ARTIFACT_SECONDS:
            return
        self._told_at = time.monotonic()
        try:
            self._publish(page(progress))
        except (httpx.HTTPError, RuntimeError) as exc:  # Prefect's client raises RuntimeError where it has no server
            log.warning("artifact_not_written", key=self._key, cause=repr(exc))

    def tell_again(self, **changed: object) -> None:
        """Tell what was told last, but for what has changed: where nothing is counted, as while a person is asked."""
        if self._last is not None:
            self.tell(self._last.model_copy(update={**changed, "at": datetime.now(UTC)}))

    def _publish(self, markdown: str) -> None:
        """Create the artifact, or update the one that this run created; there is a task or flow run around it."""
        from prefect.artifacts import create_markdown_artifact
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.actions import ArtifactUpdate

        if self._artifact is None:
            created = create_markdown_artifact(key=self._key, markdown=markdown)
            assert isinstance(created, UUID)  # a coroutine only where an event loop is running
            self._artifact = created
            return
        with get_client(sync_client=True) as client:
            client.update_artifact(self._artifact, ArtifactUpdate(data=markdown))
