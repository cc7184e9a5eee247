"""Names that every part of the system can carry: lower case, ASCII, no spaces, none twice."""

import re
import unicodedata
from collections.abc import Iterable

from tasks.lake.columns import ASKED_AT, BATCH_DAY, KNOWN_AT, LABEL, LOGGED, PREDICTION

_OURS = frozenset({BATCH_DAY, ASKED_AT, LABEL, KNOWN_AT, LOGGED, PREDICTION})  # columns that the system adds


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """For each name of the source the name that the pipeline uses. Names that are plain already stay as they are."""
    plain: dict[str, str] = {}
    taken = set(_OURS)
    for place, name in enumerate(names, 1):
        wanted = _plain(name) or f"column_{place}"
        free, number = wanted, 2
        while free in taken:
            free, number = f"{wanted}_{number}", number + 1
        taken.add(free)
        plain[name] = free
    return plain


def _plain(name: str) -> str:
    """`Größe (cm)` is grosse_cm and `1st visit` is c_1st_visit; empty when no letter of it has an ASCII form."""
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    return f"c_{words}" if words[:1].isdigit() else words
