"""The evidence of a trial on disk, so that a restarted gateway goes on with it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.guards.trial import ChallengerTrial, TrialRelease
from healing.trial_guard import SavedGuard
from releases.document import RulesDocument
from releases.files import write_atomically

_log = structlog.get_logger(__name__)
SAVE_SECONDS = 1.0
RunBlocking = Callable[[Callable[[Any], None], Any], Awaitable[None]]


class _SavedArm(BaseModel):
    requests: int
    errors: int


class _SavedTrial(BaseModel):
    """Clients that were merely answered are forgotten: each then counts once more, and there may be thousands."""

    model_config = ConfigDict(extra="forbid")

    digest: str
    champion_digest: str
    generation: int
    rules: RulesDocument
    guard: SavedGuard
    slow_seconds: float | None
    challenger: _SavedArm
    champion: _SavedArm
    failed_keys: list[str]
    slow_keys: list[str]


class TrialFile:
    """Begins trials, or resumes them from `path`; `save` it every `SAVE_SECONDS`. `run` runs what may block."""

    def __init__(self, path: Path, slow_seconds_min: float, run: RunBlocking = asyncio.to_thread) -> None:
        self._run = run
        self._path = path
        self._slow_seconds_min = slow_seconds_min
        self._trial: ChallengerTrial | None = None
        self._saved: bytes | None = None

    def begin(self, active: TrialRelease) -> ChallengerTrial:
        """The trial of the release's challenger, with what is known of it already."""
        saved = self._read()
        if saved is None or not _is_of(saved, active) or (trial := self._resumed(saved, active)) is None:
            trial = ChallengerTrial(active, self._slow_seconds_min)
        self._trial = trial
        return trial

    async def save(self) -> None:
        """Write the trial if it changed. Where the disk fails, only a restart loses evidence."""
        if self._trial is not None:
            await self._run(self._write, _snapshot(self._trial))

    def _write(self, saved: _SavedTrial) -> None:
        content = saved.model_dump_json().encode()
        if content == self._saved:
            return
        try:
            write_atomically(self._path, content)
        except OSError as exc:
            _log.warning("trial_not_saved", path=str(self._path), reason=str(exc))
        else:
            self._saved = content

    def _read(self) -> _SavedTrial | None:
        try:
            return _SavedTrial.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as exc:
            _log.warning("trial_not_read", path=str(self._path), reason=str(exc))
            return None

    def _resumed(self, saved: _SavedTrial, active: TrialRelease) -> ChallengerTrial | None:
        """The trial with what was saved of it; None where another version of this program saved it."""
        trial = ChallengerTrial(active, self._slow_seconds_min)
        try:
            trial.guard.resume(saved.guard)
        except ValueError as exc:
            _log.warning("trial_not_resumed", path=str(self._path), reason=str(exc))
            return None
        trial.failed.keys, trial.slow.keys = set(saved.failed_keys), set(saved.slow_keys)
        trial.slowness.limit = saved.slow_seconds
        if saved.generation == trial.generation:
            for arm, known in ((trial.arms[True], saved.challenger), (trial.arms[False], saved.champion)):
                arm.requests, arm.errors = known.requests, known.errors
        else:
            trial.next_stage(active)
        _log.info("trial_resumed", digest=saved.digest, generation=trial.generation)
        return trial


def _is_of(saved: _SavedTrial, active: TrialRelease) -> bool:
    """Whether it is the same trial: of the same models, judged by the same rules."""
    challenger = active.release.challenger
    assert challenger is not None
    models = challenger.model.digest, active.release.champion.digest
    return (saved.digest, saved.champion_digest) == models and saved.rules.rules() == challenger.rules


def _snapshot(trial: ChallengerTrial) -> _SavedTrial:
    challenger, (of_challenger, of_champion) = trial.challenger, (trial.arms[True], trial.arms[False])
    return _SavedTrial(
        digest=challenger.model.digest,
        champion_digest=trial.champion_digest,
        generation=trial.generation,
        rules=RulesDocument.of(challenger.rules),
        guard=trial.guard.save(),
        slow_seconds=trial.slowness.limit,
        challenger=_SavedArm(requests=of_challenger.requests, errors=of_challenger.errors),
        champion=_SavedArm(requests=of_champion.requests, errors=of_champion.errors),
        failed_keys=sorted(trial.failed.keys),
        slow_keys=sorted(trial.slow.keys),
    )
