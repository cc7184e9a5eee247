"""The policy of a pipeline, without the remedies that a drill has disabled for a while."""

import json
import time
from dataclasses import replace
from pathlib import Path

from healing.incident import Remedy
from healing.policy import Policy
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings


def policy_of(config: Pipeline, settings: Settings) -> Policy:
    """The default policy with the pipeline's own remedies, and the hold time of the settings."""
    policy = Policy().overridden(config.policy)
    disabled = disabled_remedies(settings.home)
    if disabled:
        allowed = {c: tuple(r for r in order if r not in disabled) for c, order in policy.remedies.items()}
        taken = {c: tuple(r for r in order if r in disabled) for c, order in policy.remedies.items()}
        policy = replace(policy, remedies=allowed, disabled=taken)
    return replace(policy, limits=replace(policy.limits, hold_seconds=settings.heal_hold_seconds))


def disabled_remedies(home: Path) -> frozenset[Remedy]:
    """The remedies that `home/disabled_remedies/` disables now. An unreadable or expired file disables nothing."""
    folder = home / "disabled_remedies"
    return frozenset(remedy for remedy in Remedy if _is_disabled(folder / f"{remedy}.json"))


def _is_disabled(file: Path) -> bool:
    try:
        return time.time() < float(json.loads(file.read_bytes())["expires_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
