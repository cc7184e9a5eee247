"""Observations of a running trial: counts and checks from the gateway, and the check on labels from the lake."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from healing.errors import GatewayUnavailable
from healing.promotion import Exposure
from healing.release import ModelRef
from healing.trial_rules import CheckState, TrialCheck
from releases.loader import LoadedModel, load
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.lake.lake_root import LakeRoot
from tasks.rollout.trial_history import trial_start
from tasks.serving.gateway_client import GatewayTrial, read_gateway_once

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 5.0  # labels take hours; feedback that the gateway logged is read this often
REFRESH_SECONDS_MAX = 20.0  # how long a stage waits for one measurement before it passes

_REST_TIMES = 4.0  # as long as a measurement took: it takes at most a fifth of the time

T = TypeVar("T")
Measure = Callable[[], tuple[CheckState, ...]]


class TrialObserver:
    """Observes the stages of one trial; while the gateway does not respond, its last response for the stage counts."""

    def __init__(self, operate_url: str | None, model: ModelRef, labels: "LabelEvidence | None" = None) -> None:
        self._operate_url = operate_url
        self._model = model
        self._labels = labels
        self._trial: GatewayTrial | None = None

    def observe(self, generation: int, elapsed_seconds: float) -> Exposure:
        """What is known now of the stage that `generation` began."""
        self._read(generation)
        exposure = Exposure(0, 0, elapsed_seconds, checks=() if self._labels is None else self._labels.current())
        trial = self._trial
        if trial is None or trial.generation < generation:
            return exposure
        return replace(
            exposure,
            requests=trial.challenger.requests,
            errors=trial.challenger.errors,
            guard=trial.verdict,
            champion_requests=trial.champion.requests,
            champion_errors=trial.champion.errors,
            checks=(*trial.states(), *exposure.checks),
        )

    def with_latest_labels(self, exposure: Exposure) -> Exposure:
        """The exposure with labels as they are now; takes up to a second, so only before a stage passes."""
        if self._labels is None:
            return exposure
        known = [state for state in exposure.checks if state.check is not TrialCheck.QUALITY]
        return replace(exposure, checks=(*known, *self._labels.latest()))

    def _read(self, generation: int) -> None:
        if self._operate_url is None:
            return
        try:
            trial = read_gateway_once(self._operate_url).trial
        except GatewayUnavailable as exc:
            log.warning("trial_not_observed", version=self._model.version, cause=str(exc))
            return
        if trial is not None and trial.digest == self._model.digest and trial.generation >= generation:
            self._trial = trial


class BackgroundEvidence(Generic[T]):
    """The latest result of a measurement that runs in the background: a slow or broken lake never blocks a trial.

    Each measurement has a daemon thread of its own, which ends with the process. A measurement that takes long is
    repeated less often.
    """

    def __init__(self, measure: Callable[[], T], first: T, what: str) -> None:
        self._measure = measure
        self._result = first
        self._what = what
        self._running: threading.Thread | None = None
        self._due = -math.inf

    def current(self) -> T:
        """The last result; starts the next measurement if it is old."""
        if time.monotonic() >= self._due and (self._running is None or not self._running.is_alive()):
            self._begin()
        return self._result

    def latest(self) -> T:
        """The result of one more measurement; waits for it at most twice REFRESH_SECONDS_MAX."""
        if self._running is not None:
            self._running.join(REFRESH_SECONDS_MAX)
        if self._running is None or not self._running.is_alive():
            self._begin().join(REFRESH_SECONDS_MAX)
        return self._result

    def _begin(self) -> threading.Thread:
        self._due = time.monotonic() + REFRESH_SECONDS
        self._running = threading.Thread(target=self._refresh, name=self._what, daemon=True)
        self._running.start()
        return self._running

    def _refresh(self) -> None:
        began = time.monotonic()
        try:
            self._result = self._measure()
        except Exception as exc:  # noqa: BLE001 - it may run the challenger, a user's code that may raise anything
            log.warning("evidence_not_read", what=self._what, cause=repr(exc))
        ended = time.monotonic()
        self._due = max(began + REFRESH_SECONDS, ended + _REST_TIMES * (ended - began))


class LabelEvidence(BackgroundEvidence[tuple[CheckState, ...]]):
    """The latest states of the check on labels."""

    def __init__(self, measure: Measure) -> None:
        super().__init__(measure, (), "labels")


class LabelMeasure:
    """Compares challenger and champion on the rows asked since the trial began; loads each model once."""

    def __init__(
        self,
        config: Pipeline,
        lake_root: LakeRoot,
        release_root: ReleaseRoot,
        public_key: Path,
        operate_url: str | None,
    ) -> None:
        self._config = config
        self._lake_root = lake_root
        self._release_root = release_root
        self._public_key = public_key
        self._operate_url = operate_url
        self._loaded: dict[str, LoadedModel] = {}

    def __call__(self) -> tuple[CheckState, ...]:
        """Bring the gateway's log into the lake, and compare the models on it; empty without a trial or a gateway."""
        from tasks.monitoring.champion_comparison import paired_quality
        from tasks.serving.prediction_log import drain_predictions

        current = ReleaseLog(self._release_root).current()
        if current is None or current.challenger is None or self._operate_url is None:
            return ()
        drain_predictions(self._operate_url, self._lake_root)
        return paired_quality(
            self._config,
            self._lake_root,
            self._load(current.champion),
            self._load(current.challenger.model),
            trial_start(self._release_root, current).created_at,
            current.challenger.rules,
        )

    def _load(self, model: ModelRef) -> LoadedModel:
        if model.digest not in self._loaded:
            path = ModelStore(self._release_root).fetch(model.digest)
            self._loaded[model.digest] = load(path, self._public_key)
        return self._loaded[model.digest]
