"""The policy of a pipeline, without the remedies that a drill has disabled for a while."""

from healing.policy import Policy
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.runtime.disabled_remedies import disabled_remedies


def policy_of(config: Pipeline, settings: Settings) -> Policy:
    """The pipeline's policy, with the hold time of the settings if they have one."""
    policy = config.policy.without(disabled_remedies(settings.home))
    return policy if settings.heal_hold_seconds is None else policy.holding_for(settings.heal_hold_seconds)
