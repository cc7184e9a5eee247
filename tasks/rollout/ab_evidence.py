"""Evidence of an A/B test: brings the gateway's log into the lake, and computes the interval of the difference."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from healing.ab_effect import ABEffect, effect_of
from healing.ab_rules import LOSS, ABRules, Better
from healing.errors import UsageError
from releases.log import ReleaseLog
from releases.manifest import Manifest
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.config.ab_section import ABChanges
from tasks.config.pipeline import Pipeline
from tasks.evaluation.paired_loss import paired_loss_of
from tasks.lake.lake_root import LakeRoot
from tasks.rollout.ab_progress import ABProgress, days_needed
from tasks.rollout.rollout import ABPlan
from tasks.rollout.trial_history import stage_start

if TYPE_CHECKING:
    from tasks.rollout.ab_clients import ABClients


@dataclass(frozen=True, slots=True)
class ABEvidence:
    """What one measurement found."""

    effect: ABEffect
    clients: "ABClients"
    at: datetime

    def progress(self, elapsed_seconds: float) -> ABProgress:
        """The evidence as it is reported, `elapsed_seconds` after the test began."""
        effect, clients = self.effect, self.clients
        found = ABProgress.starting(effect.rules).at(elapsed_seconds, effect.rules)
        known = effect.clients > 0
        return found.model_copy(
            update={
                "measured_at": self.at,
                "decision": effect.decision,
                "estimate": effect.estimate,
                "lower": effect.lower if known else None,
                "upper": effect.upper if known else None,
                "challenger_clients": effect.challenger_clients,
                "champion_clients": effect.champion_clients,
                "waiting_clients": clients.waiting,
                "missing_challenger": clients.missing_challenger,
                "missing_champion": clients.missing_champion,
                "clipped_rows": clients.clipped_rows,
                "days_needed": days_needed(effect, elapsed_seconds),
            }
        )


class ABMeasure:
    """Measures the A/B test in the release log; None without one, or without a gateway."""

    def __init__(
        self, config: Pipeline, lake_root: LakeRoot, release_root: ReleaseRoot, operate_url: str | None
    ) -> None:
        self._config = config
        self._lake_root = lake_root
        self._release_root = release_root
        self._operate_url = operate_url

    def __call__(self) -> ABEvidence | None:
        """Everything that was answered before now is in the log that is drained."""
        from tasks.serving.prediction_log import drain_predictions

        now = datetime.now(UTC)
        current = ReleaseLog(self._release_root).current()
        trial = None if current is None else current.challenger
        if current is None or trial is None or trial.ab is None or self._operate_url is None:
            return None
        drain_predictions(self._operate_url, self._lake_root)
        champion = ModelStore(self._release_root).manifest(current.champion.digest)
        began = stage_start(self._release_root, current)
        from tasks.rollout.ab_clients import ab_clients  # reads the lake, which takes seconds to load

        clients = ab_clients(self._config, self._lake_root, champion, began, now)
        return ABEvidence(effect_of(clients.settled, trial.ab, trial.weight), clients, now)


def ab_plan(config: Pipeline, changes: ABChanges, champion: Manifest) -> ABPlan:
    """Share and rules of an A/B test, by `release.ab` and what the order changes; UsageError names what is wrong."""
    try:
        section = config.release.ab.changed(changes)
        low, high, better, absent = _outcome(config, section.outcome, champion)
        rules = ABRules(
            outcome=section.outcome,
            low=low,
            high=high,
            better=better,
            absent=absent,
            effect_min=section.effect_min,
            ends=section.ends,
            seconds_max=section.seconds_max,
            client_seconds=3600 * section.client_hours,
            outcome_seconds=3600 * section.outcome_hours,
            alpha=section.alpha,
        )
    except ValueError as exc:
        raise UsageError(f"these are no rules of an A/B test: {exc}") from exc
    return ABPlan(section.split, rules)


def _outcome(config: Pipeline, name: str, champion: Manifest) -> tuple[float, float, Better, float | None]:
    """Bounds, direction and value of a row without feedback."""
    if name == LOSS:
        return 0.0, paired_loss_of(champion).largest, Better.LOWER, None
    if name not in config.outcomes:
        known = ", ".join((LOSS, *config.outcomes))
        raise ValueError(f"expected an outcome among {known}, found {name!r}; declare it in pipeline.yaml, `outcomes`")
    outcome = config.outcomes[name]
    return outcome.low, outcome.high, outcome.better, outcome.absent
