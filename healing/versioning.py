"""The semantic version of a model, by rule, so that a version says what a caller has to expect."""

import re
from dataclasses import dataclass

from healing.errors import UsageError

FIRST = "1.0.0"
_FORM = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a model was made of: digests (or any stable text) of its input schema with features, and of its estimator."""

    features: str
    estimator: str


def following(version: str, previous: Lineage, candidate: Lineage) -> str:
    """The version after `version`: features or schema changed → major, estimator changed → minor, new data → patch.

    >>> following("1.4.2", Lineage("f", "trees"), Lineage("f", "linear"))
    '1.5.0'
    """
    found = _FORM.fullmatch(version)
    if found is None:
        raise UsageError(f"a model version is MAJOR.MINOR.PATCH, found {version!r}")
    major, minor, patch = (int(part) for part in found.groups())
    if candidate.features != previous.features:
        return f"{major + 1}.0.0"
    if candidate.estimator != previous.estimator:
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"
