"""The data sources answer."""

from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab

__all__ = ["sources_answer"]


def sources_answer(configuration: Mapping[str, Any]) -> bool:
    """Whether the primary source and its mirror answer."""
    lab = Lab.of(configuration)
    return all(lab.answers(f"{source}/health") for source in (lab.feed, lab.mirror))
