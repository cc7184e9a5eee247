"""A trial survives its gateway: a restart goes on with the evidence, instead of giving a bad challenger a new start."""

import asyncio
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.guards.trial import Trial
from healing.release import Release
from healing.sequential import SavedTest
from releases.files import write_atomically

_log = structlog.get_logger(__name__)
_SAVE_SECONDS = 1.0


class _SavedArm(BaseModel):
    requests: int
    errors: int


class _SavedTrial(BaseModel):
    model_config = ConfigDict(extra="forbid")

    digest: str
    generation: int
    alpha: float
    ratio_tolerated: float
    test: SavedTest
    challenger: _SavedArm
    champion: _SavedArm
    failed_keys: list[str]


class TrialFile:
    """Begins trials, or takes them up again from `path`; `follow` keeps the file no older than a second."""

    def __init__(self, path: Path, alpha: float, ratio_tolerated: float) -> None:
        self._path = path
        self._alpha = alpha
        self._ratio_tolerated = ratio_tolerated
        self._trial: Trial | None = None
        self._saved: bytes | None = None

    def begin(self, release: Release) -> Trial:
        """The trial of the release's challenger, with what is known of it already."""
        assert release.challenger is not None
        trial = Trial(release.challenger, release.generation, self._alpha, self._ratio_tolerated)
        saved = self._read()
        if saved is not None and saved.digest == trial.challenger.model.digest:
            self._resume(trial, saved, release)
        self._trial = trial
        return trial

    async def follow(self) -> None:
        """Never returns; cancel it."""
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Write the trial down, if it has moved. A disk that does not take it costs evidence after a restart only."""
        if self._trial is None:
            return
        content = self._encode(self._trial)
        if content != self._saved:
            await asyncio.to_thread(self._write, content)

    def _write(self, content: bytes) -> None:
        try:
            write_atomically(self._path, content)
        except OSError as exc:
            _log.warning("trial_not_saved", path=str(self._path), reason=str(exc))
        else:
            self._saved = content

    def _encode(self, trial: Trial) -> bytes:
        challenger, champion = trial.arms[True], trial.arms[False]
        saved = _SavedTrial(
            digest=trial.challenger.model.digest,
            generation=trial.generation,
            alpha=self._alpha,
            ratio_tolerated=self._ratio_tolerated,
            test=trial.test.save(),
            challenger=_SavedArm(requests=challenger.requests, errors=challenger.errors),
            champion=_SavedArm(requests=champion.requests, errors=champion.errors),
            failed_keys=sorted(trial.failed_keys),
        )
        return saved.model_dump_json().encode()

    def _read(self) -> _SavedTrial | None:
        try:
            saved = _SavedTrial.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as exc:
            _log.warning("trial_not_read", path=str(self._path), reason=str(exc))
            return None
        same_rules = (saved.alpha, saved.ratio_tolerated) == (self._alpha, self._ratio_tolerated)
        return saved if same_rules else None

    @staticmethod
    def _resume(trial: Trial, saved: _SavedTrial, release: Release) -> None:
        trial.test.resume(saved.test)
        trial.failed_keys = set(saved.failed_keys)
        if saved.generation == release.generation:
            for arm, known in ((trial.arms[True], saved.challenger), (trial.arms[False], saved.champion)):
                arm.requests, arm.errors = known.requests, known.errors
        else:
            trial.test.restart()
        _log.info("trial_resumed", digest=saved.digest, generation=release.generation, log_e=trial.test.log_e)
