"""What labels say of a trial, refreshed while it goes on: slow to come, slow to read, and never in its way."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from healing.release import ModelRef
from healing.trial_rules import CheckState
from releases.loader import LoadedModel, load
from releases.log import ReleaseLog
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.rollout.trial_history import trial_start

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 5.0  # labels take hours; what is logged and told back as feedback is read this often
LAST_LOOK_SECONDS_MAX = 20.0  # to read a lake that answers; a stage does not wait longer for one that does not

Measure = Callable[[], tuple[CheckState, ...]]


class LabelEvidence:
    """The latest states of the check on labels. A lake that fails or hangs costs their freshness, nothing else.

    Each measurement has a thread of its own, which a process that ends takes with it.
    """

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._states: tuple[CheckState, ...] = ()
        self._running: threading.Thread | None = None
        self._began = -REFRESH_SECONDS

    def states(self) -> tuple[CheckState, ...]:
        """What is known now; the next measurement begins if the last one is old."""
        old = time.monotonic() - self._began >= REFRESH_SECONDS
        if old and (self._running is None or not self._running.is_alive()):
            self._begin()
        return self._states

    def last_look(self) -> tuple[CheckState, ...]:
        """What is known after one more measurement, which is waited for within limits: for before a stage is passed."""
        if self._running is not None:
            self._running.join(LAST_LOOK_SECONDS_MAX)
        if self._running is None or not self._running.is_alive():
            self._begin().join(LAST_LOOK_SECONDS_MAX)
        return self._states

    def _begin(self) -> threading.Thread:
        self._began = time.monotonic()
        self._running = threading.Thread(target=self._refresh, name="label evidence", daemon=True)
        self._running.start()
        return self._running

    def _refresh(self) -> None:
        try:
            self._states = self._measure()
        except Exception as exc:  # noqa: BLE001 - it runs the challenger itself, foreign code that may raise anything
            log.warning("labels_not_read", cause=repr(exc))


class LabelMeasure:
    """Compares challenger and champion on the rows that were asked since the trial began; each model is opened once."""

    def __init__(
        self, config: Pipeline, lake_root: Path, release_root: Path, public_key: Path, operate_url: str | None
    ) -> None:
        self._config = config
        self._lake_root = lake_root
        self._release_root = release_root
        self._public_key = public_key
        self._operate_url = operate_url
        self._opened: dict[str, LoadedModel] = {}

    def __call__(self) -> tuple[CheckState, ...]:
        """Bring in what the gateway logged, and judge it; nothing while no trial is on, or no gateway."""
        from tasks.monitoring.champion_comparison import paired_quality
        from tasks.serving.prediction_log import drain_predictions

        current = ReleaseLog(self._release_root).current()
        if current is None or current.challenger is None or self._operate_url is None:
            return ()
        drain_predictions(self._operate_url, self._lake_root)
        return paired_quality(
            self._config,
            self._lake_root,
            self._open(current.champion),
            self._open(current.challenger.model),
            trial_start(self._release_root, current).created_at,
            current.challenger.rules,
        )

    def _open(self, model: ModelRef) -> LoadedModel:
        if model.digest not in self._opened:
            path = ModelStore(self._release_root).path(model.digest)
            self._opened[model.digest] = load(path, self._public_key)
        return self._opened[model.digest]
