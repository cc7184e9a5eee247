"""Which drill shows that a remedy is needed: the drill fails when that remedy is disabled. Or why there is none."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from chaos.compose.drill import CatalogueDrill

__all__ = ["WITHOUT_ABLATION", "policy_remedies", "remedies_section"]

POLICY = Path(__file__).parents[2] / "pipelines" / "policy.yaml"
INTRODUCTION = """## Remedies

Each remedy of `pipelines/policy.yaml`, and the drills that fail when it is disabled
(`autopilot drill run NAME --ablate REMEDY`).

| remedy | causes | drills that need it |
|---|---|---|"""
WITHOUT_ABLATION: Mapping[str, str] = {
    "wait": "none: it does nothing, so that the same drill recovers without it",
    "escalate": "none: it heals nothing; `unhealable` requires it",
    "abort_canary": "none: the gateway aborts a bad trial by itself, before the healer (`candidate-nan`)",
    "restart_service": "none: the supervisor of `autopilot up` restarts a dead or hung service by itself",
    "free_disk": "none: the full disk of a drill is a limit of one process, which deleting files does not lift",
    "restore_snapshot": "none: no drill spoils rows that are already in the lake",
    "pause_pipeline": "none: it contains damage and restores nothing",
    "retrain": "none: it takes minutes of training and labels of several days; tests of the flows cover it",
}


def policy_remedies(policy: Path = POLICY) -> dict[str, list[str]]:
    """The causes that name each remedy, in the order of the policy."""
    causes: dict[str, list[str]] = {}
    for cause, remedies in yaml.safe_load(policy.read_bytes())["causes"].items():
        for remedy in remedies:
            causes.setdefault(remedy, []).append(cause)
    return causes


def remedies_section(drills: Sequence[CatalogueDrill], causes: Mapping[str, Sequence[str]]) -> str:
    """The table; KeyError for a remedy without a drill and without a reason."""
    rows = []
    for remedy, named in causes.items():
        needing = [f"`{drill.name}`" for drill in drills if remedy in drill.ablations]
        shown = ", ".join(needing) if needing else WITHOUT_ABLATION[remedy]
        rows.append(f"| `{remedy}` | {', '.join(named)} | {shown} |")
    return "\n".join([INTRODUCTION, *rows, ""])
