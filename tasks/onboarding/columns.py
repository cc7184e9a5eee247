"""What a column contains: its name in the pipeline, its type, how its values are written, and whether it is used."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tasks.config.pipeline import ColumnType
from tasks.config.table import NumberFormat
from tasks.lake.columns import ASKED_AT, BATCH_DAY, KNOWN_AT, LABEL, LOGGED, PREDICTION
from tasks.onboarding.numbers import Decimal, NumbersGuess, guess_numbers, number_bounds, why_text
from tasks.onboarding.times import cuts_digits, guess_formats

if TYPE_CHECKING:
    import pandas as pd

_RESERVED = frozenset({BATCH_DAY, ASKED_AT, LABEL, KNOWN_AT, LOGGED, PREDICTION})  # columns that the system adds

CATEGORIES_MAX = 50  # up to this many different texts are categories, however many rows there are
_CATEGORIES_SHARE_MAX = 0.05  # more are categories if each occurs often enough to learn from
_NUMBERS_AS_TEXT = "if it is a number, change its type in pipeline.yaml"
_TRUTH_WORDS = {"yes": "no", "y": "n", "t": "f", "on": "off", "ja": "nein", "oui": "non", "wahr": "falsch"}
_BOOLEAN_WORDS = {"true", "false", *_TRUTH_WORDS, *_TRUTH_WORDS.values()}
_BOOLEAN_SAMPLE = 100  # rows that rule out most columns, before all rows are read as words
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


def guess_column(column: TextColumn, dates: str | None = None) -> ColumnGuess:
    """The type that the file declares, else the type that fits all texts: boolean, number or timestamp, else text.

    `dates` says whether the day or the month comes first in dates such as 03/04/2013.
    """
    if column.known.empty:
        return ColumnGuess(column.source_name, column.name, "string", use=False, required=False, why="no values")
    match column.declared:
        case None:
            guess = _as_boolean(column) or _as_number(column) or _as_timestamp(column, dates)
        case "boolean":
            guess = _as_boolean(column)
        case "long" | "double":
            guess = _as_number(column)
        case "timestamp":
            guess = _as_timestamp(column, dates)
        case "string":
            guess = None
    return guess or _as_text(column)


def _as_boolean(column: TextColumn) -> ColumnGuess | None:
    if not set(column.known.head(_BOOLEAN_SAMPLE).str.strip().str.lower()) <= _BOOLEAN_WORDS:
        return None
    lowered = column.known.str.strip().str.lower()
    found = set(lowered.unique())
    if found <= {"true", "false"}:
        words, true = None, "true"
    else:
        true = next((yes for yes, no in _TRUTH_WORDS.items() if found == {yes, no}), "")
        words = (true, _TRUTH_WORDS[true]) if true else None
        if words is None:
            return None
    share = f"{lowered.eq(true).mean():.0%}"
    why = f"true in {share}" if words is None else f"{words[0]} and {words[1]}; {words[0]} in {share}"
    why = _with_missing(why, column.missing_share)
    return ColumnGuess(column.source_name, column.name, "boolean", True, column.is_complete, why, truth_words=words)


def _as_number(column: TextColumn) -> ColumnGuess | None:
    found = guess_numbers(column.text, column.decimal)
    if found is None:
        return None
    use = found.numbers.nunique() > 1
    why = _with_missing(_describe_numbers(found), float(found.plain.isna().mean()))
    required = column.is_complete and not found.missing
    low, high = number_bounds(found.numbers)
    type_: ColumnType = "long" if column.declared == "long" else "double"
    return ColumnGuess(
        column.source_name,
        column.name,
        type_,
        use,
        required,
        why,
        missing=found.missing,
        number_format=found.format,
        low=low,
        high=high,
    )


def _describe_numbers(found: NumbersGuess) -> str:
    numbers = found.numbers
    kind = "whole numbers" if (numbers == numbers.round()).all() else "numbers"
    parts = [f"{kind} {numbers.min():g} to {numbers.max():g}", *found.notation]
    if found.missing:
        parts.append(f"{', '.join(map(repr, found.missing))} mean missing")
    if len(found.odd):
        parts.append(f"{len(found.odd)} other texts, such as {found.odd.iloc[0]!r}, are quarantined")
    if numbers.nunique() == 1:
        parts.append("constant")
    return "; ".join(parts)


def _as_timestamp(column: TextColumn, dates: str | None) -> ColumnGuess | None:
    found = guess_formats(column.text, dates)
    if found is None:
        return None
    formats = " or ".join(found.formats) or "ISO 8601"
    doubt = f"; {found.ambiguous!r} could have the month first, set --dates" if found.ambiguous else ""
    doubt += "; digits below a microsecond are cut off" if cuts_digits(column.known) else ""
    why = _with_missing(f"times in format {formats}{doubt}; used as days before the event", column.missing_share)
    complete = column.is_complete
    return ColumnGuess(column.source_name, column.name, "timestamp", True, complete, why, formats=found.formats)


def _as_text(column: TextColumn) -> ColumnGuess:
    known = column.known
    distinct = known.drop_duplicates()
    values = distinct.to_numpy()
    is_number_text = column.declared == "string" and guess_numbers(distinct) is not None
    reason = f"text in the file; {_NUMBERS_AS_TEXT}" if is_number_text else why_text(distinct)
    doubt = f"; {reason}" if reason else ""
    if len(values) > max(CATEGORIES_MAX, _CATEGORIES_SHARE_MAX * len(known)):
        why = _with_missing(f"{len(values)} different texts in {len(known)} rows{doubt}", column.missing_share)
        return ColumnGuess(column.source_name, column.name, "string", False, False, why)
    categories = tuple(sorted(map(str, values)))
    use = len(categories) > 1
    shown = ", ".join(categories[:4]) + (", …" if len(categories) > 4 else "")
    found = f"{len(categories)} categories: {shown}" if use else f"constant {categories[0]!r}"
    why = _with_missing(f"{found}{doubt}", column.missing_share)
    return ColumnGuess(column.source_name, column.name, "string", use, column.is_complete, why, categories=categories)


def _with_missing(why: str, share: float) -> str:
    return f"{why}; {share:.1%} missing" if share else why
