"""Semantic version of a model, derived from what changed, so that callers know what to expect of it."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from healing.errors import UsageError

FIRST = "1.0.0"
_FORM = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a model was built from: digests of its features with the input schema, of the estimator as written, and of
    the search section. Parameters that a search found are not part of it, because they depend on the data.
    """

    features: str
    estimator: str
    search: str = ""


def following(version: str, previous: Lineage, candidate: Lineage, taken: Collection[str] = ()) -> str:
    """The version after `version`: major if features or schema changed, minor if the estimator or the search section
    changed, else patch (new data, also if the same search found other parameters in them).

    Versions in `taken` (of candidates that were not released) are skipped, so that none is assigned twice.

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
    """Version of a model without a predecessor: the first major version that is not `taken`."""
    found = FIRST
    while found in taken:
        found = _bump(found, 0)
    return found


def following_highest(taken: Collection[str], *, other_columns: bool) -> str:
    """The version of another estimator, after the highest one in `taken`: major if it reads other columns, else minor.

    >>> following_highest(["1.4.2", "2.0.1"], other_columns=False)
    '2.1.0'
    """
    highest = max(taken, key=lambda version: [int(part) for part in version.split(".")], default=None)
    return FIRST if highest is None else _bump(highest, 0 if other_columns else 1)


def _bump(version: str, place: int) -> str:
    """`version` with the number at `place` (0 major, 1 minor, 2 patch) increased by one, and zeros after it."""
    match = _FORM.fullmatch(version)
    if match is None:
        raise UsageError(f"expected a model version MAJOR.MINOR.PATCH, found {version!r}")
    numbers = [int(part) for part in match.groups()]
    return ".".join(str(number) for number in [*numbers[:place], numbers[place] + 1, *[0] * (2 - place)])
