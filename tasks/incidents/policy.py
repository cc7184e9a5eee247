"""The policy of a pipeline, without the remedies that a drill has disabled for a while."""

import json
import time
from pathlib import Path

from healing.incident import Remedy
from healing.policy import Policy
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings


def policy_of(config: Pipeline, settings: Settings) -> Policy:
    """The pipeline's policy, with the hold time of the settings if they have one."""
    policy = config.policy.without(disabled_remedies(settings.home))
    return policy if settings.heal_hold_seconds is None else policy.holding_for(settings.heal_hold_seconds)


def disabled_remedies(home: Path) -> frozenset[Remedy]:
    """The remedies that `home/disabled_remedies/` disables now. An unreadable or expired file disables nothing."""
    folder = home / "disabled_remedies"
    return frozenset(remedy for remedy in Remedy if _is_disabled(folder / f"{remedy}.json"))


def _is_disabled(file: Path) -> bool:
    try:
        return time.time() < float(json.loads(file.read_bytes())["expires_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
