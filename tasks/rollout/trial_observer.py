"""All that the controller sees of a trial at one look: the gateway's counts and checks, and what labels say."""

from dataclasses import replace

import structlog

from healing.errors import GatewayUnavailable
from healing.promotion import Exposure
from healing.release import ModelRef
from healing.trial_rules import Check
from tasks.rollout.label_evidence import LabelEvidence
from tasks.serving.gateway_client import TrialState, look_at_gateway

log = structlog.get_logger(__name__)


class Sight:
    """Looks at the stages of one trial; the last that was seen of a stage counts while the gateway does not say."""

    def __init__(self, operate_url: str | None, model: ModelRef, labels: LabelEvidence | None = None) -> None:
        self._operate_url = operate_url
        self._model = model
        self._labels = labels
        self._trial: TrialState | None = None

    def look(self, generation: int, elapsed_seconds: float) -> Exposure:
        """What is known now of the stage that `generation` began."""
        self._ask(generation)
        exposure = Exposure(0, 0, elapsed_seconds, checks=() if self._labels is None else self._labels.states())
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

    def last_look(self, exposure: Exposure) -> Exposure:
        """The same with labels as they are now, which may be worth a second: once a stage, before it is passed."""
        if self._labels is None:
            return exposure
        known = [state for state in exposure.checks if state.check is not Check.QUALITY]
        return replace(exposure, checks=(*known, *self._labels.last_look()))

    def _ask(self, generation: int) -> None:
        if self._operate_url is None:
            return
        try:
            trial = look_at_gateway(self._operate_url).trial
        except GatewayUnavailable as exc:
            log.warning("trial_out_of_sight", version=self._model.version, cause=str(exc))
            return
        if trial is not None and trial.digest == self._model.digest and trial.generation >= generation:
            self._trial = trial
