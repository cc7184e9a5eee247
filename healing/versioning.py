"""The semantic version of a model, by rule, so that a version says what a caller has to expect."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from healing.errors import UsageError

FIRST = "1.0.0"
_FORM = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a model was made of: digests (or any stable text) of its schema with features, of its estimator as the
    pipeline writes it, and of what is searched around it. What a search found is not part of it: that comes of the
    data.
    """

    features: str
    estimator: str
    search: str = ""


def following(version: str, previous: Lineage, candidate: Lineage, taken: Collection[str] = ()) -> str:
    """The version after `version`: features or schema changed → major, estimator or search changed → minor, new data
    → patch, also where the same search found other parameters in them.

    Versions that are `taken` (by candidates that were not released) are passed over, so none is given twice.

    >>> following("1.4.2", Lineage("f", "trees"), Lineage("f", "linear"))
    '1.5.0'
    """
    place = 2
    if (candidate.estimator, candidate.search) != (previous.estimator, previous.search):
        place = 1
    if candidate.features != previous.features:
        place = 0
    found = _bump(version, place)
    while found in taken:
        found = _bump(found, place)
    return found


def first(taken: Collection[str] = ()) -> str:
    """The version of a model without predecessor: the first major that is not `taken`."""
    found = FIRST
    while found in taken:
        found = _bump(found, 0)
    return found


def _bump(version: str, place: int) -> str:
    """`version` with its number at `place` (0 major, 1 minor, 2 patch) raised by one, and zero after it."""
    match = _FORM.fullmatch(version)
    if match is None:
        raise UsageError(f"a model version is MAJOR.MINOR.PATCH, found {version!r}")
    numbers = [int(part) for part in match.groups()]
    return ".".join(str(number) for number in [*numbers[:place], numbers[place] + 1, *[0] * (2 - place)])
