"""Holm's step-down procedure: several hypotheses are tested with one family-wise error."""

from healing.drift import holm

__all__ = ["holm"]
