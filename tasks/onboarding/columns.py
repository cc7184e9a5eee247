"""A column of the user's file: its text, its name in the pipeline, and everything that is guessed about it."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from tasks.config.pipeline import ColumnType
from tasks.config.table import NumberFormat
from tasks.lake.columns import ASKED_AT, BATCH_DAY, KNOWN_AT, LABEL, LOGGED, PREDICTION
from tasks.onboarding.distribution import Distribution
from tasks.onboarding.numbers import Decimal

if TYPE_CHECKING:
    import pandas as pd

Confidence = Literal["high", "medium", "low"]
"""high: the file declares it, or all rows agree; medium: another reading is possible; low: a person should check."""

_RESERVED = frozenset({BATCH_DAY, ASKED_AT, LABEL, KNOWN_AT, LOGGED, PREDICTION})  # columns that the system adds

_ROWS_TO_REQUIRE = 300  # with no missing value in so many rows, their share is below 1 % (rule of three)


@dataclass(frozen=True)
class TextColumn:
    """A column as read from the file, all text, and the name that the pipeline gives it.

    `declared` is the type that the file itself gives it; a CSV gives none. `decimal` is the decimal separator of the
    file's numbers, where it is known.
    """

    source_name: str
    name: str
    text: "pd.Series[str]"
    declared: ColumnType | None = None
    decimal: Decimal | None = None

    @cached_property
    def known(self) -> "pd.Series[str]":
        return self.text[~self._is_missing] if self.missing_share else self.text

    @cached_property
    def missing_share(self) -> float:
        return float(self._is_missing.mean())

    @cached_property
    def _is_missing(self) -> "pd.Series[bool]":
        return self.text.isna()

    @property
    def is_complete(self) -> bool:
        """Whether no value is missing in enough rows to require the column."""
        return self.missing_share == 0 and len(self.text) >= _ROWS_TO_REQUIRE


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """The guess for one column, and its reason.

    `use` says whether the model gets the column. `low` and `high` bound the numbers that the contract accepts,
    `categories` are all texts that occurred; both are None for other types.
    """

    source_name: str
    name: str
    type: ColumnType
    use: bool
    required: bool
    why: str
    missing: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    number_format: NumberFormat | None = None
    truth_words: tuple[str, str] | None = None
    categories: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None
    missing_share: float = 0.0
    confidence: Confidence = "high"
    distribution: Distribution | None = None


def plain_names(names: Iterable[str], label: str | None = None) -> dict[str, str]:
    """The pipeline's name for each column: lower case, ASCII, unique, not reserved. Such names stay unchanged.

    Only the column `label` may be called `label`: it is in a table of its own, without the columns of the system.
    """
    plain: dict[str, str] = {}
    taken = set(_RESERVED)
    for place, name in enumerate(names, 1):
        wanted = _plain(name) or f"column_{place}"
        if name == label and wanted == LABEL:
            plain[name] = LABEL
            continue
        free, number = wanted, 2
        while free in taken:
            free, number = f"{wanted}_{number}", number + 1
        taken.add(free)
        plain[name] = free
    return plain


def _plain(name: str) -> str:
    """`Größe (cm)` becomes grosse_cm and `1st visit` c_1st_visit; empty if no letter has an ASCII form."""
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    return f"c_{words}" if words[:1].isdigit() else words
