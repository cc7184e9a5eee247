"""Status of a rollout: its controller reports it to a file and to Prefect, everybody else reads it.

The file decides nothing: the release log says what serves, the journal when a stage began. It holds what only the
controller computes, such as the evidence from labels, and nothing depends on it.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import httpx
import structlog
from pydantic import ValidationError

from healing.errors import UsageError
from healing.release import Release
from releases.files import write_atomically
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot, directory_of
from tasks.rollout.progress import Phase, RolloutProgress, progress_page
from tasks.rollout.trial_controller_lease import stranded_trial

log = structlog.get_logger(__name__)

PROGRESS_FILE = "rollout.json"
ARTIFACT_SECONDS = 5.0  # between two updates of the artifact within one phase: each is a request to Prefect


class ProgressFile:
    """The progress file of one pipeline's rollout, in its directory of this host."""

    def __init__(self, release_root: ReleaseRoot) -> None:
        self._path = directory_of(release_root) / PROGRESS_FILE

    def write(self, progress: RolloutProgress) -> None:
        """Replace the content. When the disk refuses it, the rollout continues without a progress file."""
        try:
            write_atomically(self._path, progress.model_dump_json().encode())
        except OSError as exc:
            log.warning("progress_not_written", path=str(self._path), cause=str(exc))

    def read(self) -> RolloutProgress | None:
        """The last progress; None before the first rollout, or when another version of this program wrote it."""
        try:
            return RolloutProgress.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as exc:
            log.warning("progress_not_read", path=str(self._path), cause=exc.errors()[0]["msg"])
            return None


class ProgressReporter:
    """Reports one rollout from inside its flow run. When Prefect is down, only the artifact is missing."""

    def __init__(self, release_root: ReleaseRoot, pipeline: str) -> None:
        self._file = ProgressFile(release_root)
        self._key = f"release-{pipeline}".replace("_", "-")
        self._artifact: UUID | None = None
        self._published_at = 0.0
        self._last: RolloutProgress | None = None

    def report(self, progress: RolloutProgress) -> None:
        """Write the file, and update the artifact when stage or phase changed or it is old."""
        self._file.write(progress)
        changed = self._last is None or progress.step != self._last.step
        self._last = progress
        if not changed and time.monotonic() - self._published_at < ARTIFACT_SECONDS:
            return
        self._published_at = time.monotonic()
        try:
            self._publish(progress_page(progress))
        except (httpx.HTTPError, RuntimeError) as exc:  # Prefect's client raises RuntimeError where it has no server
            log.warning("artifact_not_written", key=self._key, cause=repr(exc))

    def report_again(self, **changed: object) -> None:
        """Report the last progress with some fields changed, while nothing is counted."""
        if self._last is not None:
            self.report(self._last.model_copy(update={**changed, "at": datetime.now(UTC)}))

    def _publish(self, markdown: str) -> None:
        """Create the artifact, or update the one that this run created; needs a task or flow run around it."""
        from prefect.artifacts import create_markdown_artifact
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.actions import ArtifactUpdate

        if self._artifact is None:
            created = create_markdown_artifact(key=self._key, markdown=markdown)
            assert isinstance(created, UUID)  # a coroutine only inside a running event loop
            self._artifact = created
            return
        with get_client(sync_client=True) as client:
            client.update_artifact(self._artifact, ArtifactUpdate(data=markdown))


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """A rollout according to the release log, with its controller's last progress.

    `controlled`: a process on this host controls the trial. `progress` is None when no rollout is running.
    """

    pipeline: str
    generation: int
    champion: str
    challenger: str | None
    mode: str | None
    weight: float | None
    controlled: bool
    progress: RolloutProgress | None

    @property
    def in_words(self) -> str:
        if self.challenger is None:
            return f"{self.pipeline}: {self.champion} serves; no model is on trial"
        trial = (
            f"{self.pipeline}: {self.champion} serves; {self.challenger} is on trial ({self.mode} {self.weight:.1%})"
        )
        return trial if self.controlled else f"{trial} without a controller: heal resumes or aborts it"


def read_rollout_status(release_root: ReleaseRoot, ledger_dsn: str, pipeline: str) -> RolloutStatus:
    """The status of the pipeline's rollout; UsageError before the first release."""
    current = ReleaseLog(release_root).current()
    if current is None:
        raise UsageError(f"pipeline {pipeline!r} has no release yet; make one with `autopilot bootstrap {pipeline}`")
    trial = current.challenger
    return RolloutStatus(
        pipeline=pipeline,
        generation=current.generation,
        champion=current.champion.version,
        challenger=None if trial is None else trial.model.version,
        mode=None if trial is None else ("A/B test" if trial.ab is not None else trial.mode.value),
        weight=None if trial is None else trial.weight,
        controlled=trial is not None and stranded_trial(release_root, ledger_dsn, pipeline) is None,
        progress=current_progress(release_root, current),
    )


def current_progress(release_root: ReleaseRoot, current: Release) -> RolloutProgress | None:
    """The last progress of the rollout that is running according to the log; None when none is.

    A killed controller leaves its last progress behind: it counts only as long as its model is on trial, or as long as
    it asks a person and nothing was released since.
    """
    progress = ProgressFile(release_root).read()
    if progress is None:
        return None
    on_trial = current.challenger is not None and current.challenger.model.digest == progress.digest
    asking = progress.phase is Phase.ASKING and progress.at >= current.created_at
    return progress if on_trial or asking else None
