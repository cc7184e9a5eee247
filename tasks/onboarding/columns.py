"""What a column contains: its name in the pipeline, its type, its markers of missing values, and whether it is used."""

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.config.pipeline import ColumnType
from tasks.lake.columns import ASKED_AT, BATCH_DAY, KNOWN_AT, LABEL, LOGGED, PREDICTION
from tasks.onboarding.times import guess_formats

if TYPE_CHECKING:
    import pandas as pd

_RESERVED = frozenset({BATCH_DAY, ASKED_AT, LABEL, KNOWN_AT, LOGGED, PREDICTION})  # columns that the system adds

# Texts that usually mean "missing" in a column of numbers. In a column of text they may be values, and are kept.
_MISSING_MARKERS = frozenset(
    {"?", "-", "--", ".", "n/a", "na", "#n/a", "nan", "none", "null", "nil", "missing", "unknown"}
)
NUMBER_SHARE_MIN = 0.99  # share of numbers in a column of numbers; its other texts are quarantined
CATEGORIES_MAX = 50  # up to this many different texts are categories, however many rows there are
_CATEGORIES_SHARE_MAX = 0.05  # more are categories if each occurs often enough to learn from
_ROWS_TO_REQUIRE = 300  # with no missing value in so many rows, their share is below 1 % (rule of three)


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column as read from the file, all text, and the name that the pipeline gives it."""

    source_name: str
    name: str
    text: "pd.Series[str]"

    @property
    def known(self) -> "pd.Series[str]":
        return self.text.dropna()

    @property
    def missing_share(self) -> float:
        return float(self.text.isna().mean())

    @property
    def is_complete(self) -> bool:
        """Whether no value is missing in enough rows to require the column."""
        return not self.text.isna().any() and len(self.text) >= _ROWS_TO_REQUIRE


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
    categories: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """The pipeline's name for each column: lower case, ASCII, unique, not reserved. Such names stay unchanged."""
    plain: dict[str, str] = {}
    taken = set(_RESERVED)
    for place, name in enumerate(names, 1):
        wanted = _plain(name) or f"column_{place}"
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


def guess_column(column: TextColumn, dates: str | None = None) -> ColumnGuess:
    """The type that fits all texts of the column: boolean, number or timestamp, else text.

    `dates` says whether the day or the month comes first in dates such as 03/04/2013.
    """
    if column.known.empty:
        return ColumnGuess(column.source_name, column.name, "string", use=False, required=False, why="no values")
    return _as_boolean(column) or _as_number(column) or _as_timestamp(column, dates) or _as_text(column)


def _as_boolean(column: TextColumn) -> ColumnGuess | None:
    lowered = column.known.str.lower()
    if not lowered.isin(["true", "false"]).all():
        return None
    why = _with_missing(f"true in {lowered.eq('true').mean():.0%}", column.missing_share)
    return ColumnGuess(column.source_name, column.name, "boolean", True, column.is_complete, why)


def _as_number(column: TextColumn) -> ColumnGuess | None:
    import pandas as pd

    known = column.known
    if known.str.fullmatch(r"0\d+").any():
        return None  # a code such as 00123, which loses its zeros as a number
    numbers = pd.to_numeric(known, errors="coerce").astype("float64").replace([math.inf, -math.inf], math.nan)
    others = known[numbers.isna()]
    markers = others[others.str.strip().str.lower().isin(_MISSING_MARKERS)]
    readable = len(known) - len(markers)
    if not readable or numbers.notna().sum() < NUMBER_SHARE_MIN * readable:
        return None
    finite, missing = numbers.dropna(), tuple(sorted(set(markers)))
    odd = others[~others.index.isin(markers.index)]
    use = finite.nunique() > 1
    missing_share = float((column.text.isna() | column.text.isin(missing)).mean())
    why = _with_missing(_describe_numbers(finite, missing, odd), missing_share)
    required = column.is_complete and not missing
    low, high = number_bounds(finite)
    return ColumnGuess(
        column.source_name, column.name, "double", use, required, why, missing=missing, low=low, high=high
    )


def _describe_numbers(finite: "pd.Series[float]", missing: tuple[str, ...], odd: "pd.Series[str]") -> str:
    kind = "whole numbers" if (finite == finite.round()).all() else "numbers"
    parts = [f"{kind} {finite.min():g} to {finite.max():g}"]
    if missing:
        parts.append(f"{', '.join(map(repr, missing))} mean missing")
    if len(odd):
        parts.append(f"{len(odd)} other texts, such as {odd.iloc[0]!r}, are quarantined")
    if finite.nunique() == 1:
        parts.append("constant")
    return "; ".join(parts)


def _as_timestamp(column: TextColumn, dates: str | None) -> ColumnGuess | None:
    found = guess_formats(column.text, dates)
    if found is None:
        return None
    formats = " or ".join(found.formats) or "ISO 8601"
    doubt = f"; {found.ambiguous!r} could have the month first, set --dates" if found.ambiguous else ""
    why = _with_missing(f"times in format {formats}{doubt}; used as days before the event", column.missing_share)
    complete = column.is_complete
    return ColumnGuess(column.source_name, column.name, "timestamp", True, complete, why, formats=found.formats)


def number_bounds(numbers: "pd.Series[float]") -> tuple[float, float]:
    """Bounds of the numbers that the contract accepts: the observed range, extended on both sides.

    Each side is extended by the width of the range, or by three times the distance from the 5 % quantile to the
    extreme, if that is larger. Among as many further heavy-tailed numbers, one lies outside in about a quarter of the
    cases. A change of the unit by a factor of a thousand is still noticed.
    """
    least, most = float(numbers.min()), float(numbers.max())
    low_tail, high_tail = float(numbers.quantile(0.05)) - least, most - float(numbers.quantile(0.95))
    width = (most - least) or max(abs(most), 1.0)
    low, high = least - max(width, 3 * low_tail), most + max(width, 3 * high_tail)
    digits = 1 - math.floor(math.log10(high - low))  # rounded to two digits of the width
    step = 10.0**-digits
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return round(max(low, 0.0) if least >= 0 else low, max(digits, 0)), round(high, max(digits, 0))


def _as_text(column: TextColumn) -> ColumnGuess:
    known = column.known
    values = known.unique()
    if len(values) > max(CATEGORIES_MAX, _CATEGORIES_SHARE_MAX * len(known)):
        why = _with_missing(f"{len(values)} different texts in {len(known)} rows", column.missing_share)
        return ColumnGuess(column.source_name, column.name, "string", False, False, why)
    categories = tuple(sorted(map(str, values)))
    use = len(categories) > 1
    shown = ", ".join(categories[:4]) + (", …" if len(categories) > 4 else "")
    found = f"{len(categories)} categories: {shown}" if use else f"constant {categories[0]!r}"
    why = _with_missing(found, column.missing_share)
    return ColumnGuess(column.source_name, column.name, "string", use, column.is_complete, why, categories=categories)


def _with_missing(why: str, share: float) -> str:
    return f"{why}; {share:.1%} missing" if share else why
