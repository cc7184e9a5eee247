"""Columns of numbers: how they are written, what is missing, and which range is accepted.

Texts are numbers only if nothing is lost: codes with leading zeros and whole numbers above 2^53 stay text.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from tasks.config.table import NumberFormat
from tasks.ingestion.sources.number_format import plain_numbers

if TYPE_CHECKING:
    import pandas as pd

Decimal = Literal[".", ","]

# Texts that usually mean "missing" in a column of numbers. In a column of text they may be values, and are kept.
_MISSING_MARKERS = frozenset(
    {"?", "-", "--", ".", "n/a", "na", "#n/a", "nan", "none", "null", "nil", "missing", "unknown"}
    | {"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "#div/0!", "#value!", "#num!", "#ref!"}
)
NUMBER_SHARE_MIN = 0.99  # share of numbers in a column of numbers; its other texts are quarantined
_EXACT_DIGITS = 16  # of 2^53; shorter whole numbers are exact
_SAMPLE = 2_000  # distinct texts on which all formats are tried; the chosen one is then used for all texts
# Leading zeros, a plus sign, 12E05, and 16 digits or more: the slower rules decide whether a number loses something.
_MAY_LOSE = r"^[+]|^0\d|^\d+[eE]\d+$|^-?\d{16,}$"
_GROUPED = r"[+-]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)"  # 12 or 1.234, which have a meaning with points between thousands
_CURRENCIES = "USD EUR GBP JPY CHF CNY INR CAD AUD NZD SEK NOK DKK PLN CZK HUF RON BRL MXN ZAR KRW TRY SGD HKD ILS"
_UNITS = frozenset({"", "%", "‰", *_CURRENCIES.split(" "), "kr", "zł", "Kč", "Ft", "lei", "Rs"})
_SEPARATORS: dict[Decimal, tuple[Literal["", ",", ".", " ", "'"], ...]] = {
    ".": ("", ",", " ", "'"),
    ",": ("", ".", " ", "'"),
}


@dataclass(frozen=True)
class NumbersGuess:
    """The numbers of a column. `format` is None for 1234.5; `doubt` says what a text could also mean.

    `plain` has all texts of the column in plain form, None where they mean missing; `odd` are those that are no number.
    """

    numbers: "pd.Series[float]"
    plain: "pd.Series[str]"
    missing: tuple[str, ...]
    odd: "pd.Series[str]"
    format: NumberFormat | None = None
    doubt: str | None = None

    @property
    def notation(self) -> list[str]:
        """How the numbers are written, as parts of a reason."""
        parts = []
        if self.format is not None:
            parts += [f"thousands {self.format.thousands!r}"] if self.format.thousands else []
            parts += ["decimal comma"] if self.format.decimal == "," else []
            parts += [f"unit {self.format.unit!r} left out"] if self.format.unit else []
        if self.doubt:
            parts.append(f"{self.doubt}, then change `numbers` in pipeline.yaml")
        return parts


def guess_numbers(text: "pd.Series[str]", decimal: Decimal | None = None) -> NumbersGuess | None:
    """The numbers of a column; None if its texts are not numbers, or would lose something as numbers.

    `decimal` is the decimal separator of the file's other columns, which decides about texts such as 1,234.
    """
    known = text.dropna()
    plain_values = _plain_numbers(known, decimal)
    if plain_values is not None:
        return NumbersGuess(plain_values, text, (), known.iloc[:0])
    rest = known.drop(_finite(known).index)
    marks = rest.drop_duplicates()  # text operations cost as much as everything else together
    markers = rest[rest.isin(marks[marks.str.strip().str.lower().isin(_MISSING_MARKERS)])]
    written = known.drop(markers.index) if len(markers) else known
    distinct = written.drop_duplicates()
    if written.empty or _loses_digits(distinct) or _are_codes(distinct):
        return None
    chosen = _guess_format(_sample(written), decimal)
    if chosen is None:
        return None
    format_, doubt = chosen
    plain = written if format_ is None else plain_numbers(written, format_)
    numbers = _finite(plain)
    if len(numbers) < NUMBER_SHARE_MIN * len(written) or _loses_digits(plain.dropna()):
        return None
    odd = written.drop(numbers.index)
    everything = text.mask(text.isin(set(markers)), None) if len(markers) else text
    if format_ is not None:
        everything = everything.copy()
        everything[numbers.index] = plain[numbers.index]
    return NumbersGuess(numbers, everything, _with_both_signs(set(markers)), odd, format_, doubt)


def guess_decimal(columns: Iterable["pd.Series[str]"]) -> Decimal | None:
    """The decimal separator of those columns that allow only one; None if no column shows it."""
    votes: dict[Decimal, int] = {".": 0, ",": 0}
    for text in columns:
        sample = _sample(text.dropna())
        sample = sample[sample.str.contains(r"\d[.,]\d", regex=True)]
        if len(sample) and not _may_be_grouped(sample) and _are_plain(sample):
            votes["."] += 1
            continue
        unit = _unit(sample) if len(sample) else None
        fitting = {} if unit is None else _fitting(sample, unit)
        if len(fitting) == 1:
            votes[next(iter(fitting))] += 1
    if not any(votes.values()):
        return None
    return "," if votes[","] > votes["."] else "."


def why_text(known: "pd.Series[str]") -> str | None:
    """Why texts that look like numbers are not read as numbers."""
    if _loses_digits(known):
        return "kept as text, because a number would round its digits"
    if _are_codes(known):
        return "kept as text, because it looks like a code"
    units = sorted(set(_residue(known.head(_SAMPLE))))
    if 1 < len(units) <= 4 and known.head(_SAMPLE).str.contains(r"\d").all() and all(map(_is_unit, units)):
        shown = ", ".join(repr(unit) if unit else "none" for unit in units)
        return f"kept as text, because its numbers have different units: {shown}"
    return None


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
    if not math.isfinite(high - low):  # numbers near the largest double
        return min(least, 0.0), max(most, 0.0)
    digits = 1 - math.floor(math.log10(high - low))  # rounded to two digits of the width
    step = 10.0**-digits
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return round(max(low, 0.0) if least >= 0 else low, max(digits, 0)), round(high, max(digits, 0))


def _plain_numbers(known: "pd.Series[str]", decimal: Decimal | None) -> "pd.Series[float] | None":
    """The finite numbers of a column in which every text is one and loses nothing; else None.

    A short cut for the usual column of numbers, without an operation of Python per text.
    """
    import pandas as pd

    text = pa.array(known, pa.string())
    if pc.any(pc.match_substring_regex(text, _MAY_LOSE)).as_py():
        return None
    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:  # some text is no number, or has spaces or a plus sign
        return None
    if not len(known) or not pc.all(pc.is_finite(numbers)).as_py():
        return None
    sample = _sample(known)
    if _may_be_grouped(sample) and _guess_format(sample, decimal) != (None, None):
        return None
    return pd.Series(numbers.to_numpy(zero_copy_only=False), index=known.index)


def _are_plain(sample: "pd.Series[str]") -> bool:
    """Whether every text is a number with a point and without anything else."""
    try:
        pc.cast(pa.array(sample, pa.string()), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _may_be_grouped(sample: "pd.Series[str]") -> bool:
    """Whether plain numbers could also have points between thousands: nearly all of them, with a point in some."""
    grouped = sample.str.fullmatch(_GROUPED)
    return bool(grouped.mean() >= NUMBER_SHARE_MIN and sample.str.contains(".", regex=False).any())


def _guess_format(sample: "pd.Series[str]", decimal: Decimal | None) -> tuple[NumberFormat | None, str | None] | None:
    """The format of nearly all texts (None for 1234.5), and what a text could also mean; None if none fits."""
    unit = _unit(sample)
    if unit is None:
        fits = len(_finite(sample)) >= NUMBER_SHARE_MIN * len(sample)  # 1e5 has a letter
        return (None, None) if fits else None
    fitting = _fitting(sample, unit)
    if not fitting:
        fits = len(_finite(sample)) >= NUMBER_SHARE_MIN * len(sample)
        return (None, None) if fits else None
    chosen = decimal if decimal in fitting else next(iter(fitting))
    format_ = fitting[chosen]
    doubt = None
    if len(fitting) == 2 and chosen is not None:
        other: Decimal = "," if chosen == "." else "."
        doubt = _difference(sample, format_, fitting[other])
        if doubt is None:
            format_ = fitting["."]
    is_plain = format_ == NumberFormat() and len(_finite(sample)) >= NUMBER_SHARE_MIN * len(sample)  # no brackets
    return (None if is_plain else format_), doubt


def _fitting(sample: "pd.Series[str]", unit: str) -> dict[Decimal, NumberFormat]:
    """The simplest format that fits nearly all texts, by decimal separator."""
    found: dict[Decimal, NumberFormat] = {}
    for decimal, separators in _SEPARATORS.items():
        for thousands in separators:
            format_ = NumberFormat(decimal=decimal, thousands=thousands, unit=unit)
            if plain_numbers(sample, format_).notna().mean() >= NUMBER_SHARE_MIN:
                found[decimal] = format_
                break
    return found


def _difference(sample: "pd.Series[str]", one: NumberFormat, other: NumberFormat) -> str | None:
    """A text that has different values in the two formats, as a remark; None if there is none."""
    here, there = _finite(plain_numbers(sample, one)), _finite(plain_numbers(sample, other))
    both = here.index.intersection(there.index)
    differ = both[(here[both] != there[both]).to_numpy()]
    if differ.empty:
        return None
    first = differ[0]
    return f"{sample[first]!r} is read as {here[first]:g} and could mean {there[first]:g}"


def _finite(plain: "pd.Series[str]") -> "pd.Series[float]":
    import pandas as pd

    numbers = pd.to_numeric(plain, errors="coerce").astype("float64")
    return numbers.replace([math.inf, -math.inf], math.nan).dropna()


def _with_both_signs(markers: set[str]) -> tuple[str, ...]:
    """The markers in order; where infinity is among them, a later file may have it with the other sign."""
    infinite = {marker for marker in markers if marker.lower().endswith(("inf", "infinity"))}
    bare = {marker.lstrip("+-") for marker in infinite}
    return tuple(sorted(markers | bare | {f"-{marker}" for marker in bare}))


def _sample(known: "pd.Series[str]") -> "pd.Series[str]":
    """Distinct texts from the whole column."""
    return known.iloc[:: max(1, len(known) // (10 * _SAMPLE))].drop_duplicates().head(_SAMPLE)


def _loses_digits(known: "pd.Series[str]") -> bool:
    """Whether a whole number is above 2^53, where doubles skip numbers."""
    long = known[known.str.len() >= _EXACT_DIGITS]
    digits = long[long.str.strip().str.fullmatch(r"[+-]?\d+")] if len(long) else long
    return any(abs(int(text)) > 2**53 for text in digits.drop_duplicates())


def _are_codes(known: "pd.Series[str]") -> bool:
    """Whether the texts lose something as numbers: leading zeros, the plus of a phone number, or 12E05."""
    marked = known[known.str.startswith(("0", "+"))]
    if len(marked) and marked.str.fullmatch(r"0\d+|\+\d{7,}").any():
        return True
    exponents = r"\d+[eE]\d+"
    return bool(known.head(1).str.fullmatch(exponents).all() and known.str.fullmatch(exponents).all())


def _unit(sample: "pd.Series[str]") -> str | None:
    """What nearly all texts have beside their number, empty for nothing; None if it is no known unit."""
    found = _residue(sample).value_counts(normalize=True)
    if found.empty or found.iloc[0] < NUMBER_SHARE_MIN:
        return None
    unit = str(found.index[0])
    return unit if _is_unit(unit) else None


def _residue(sample: "pd.Series[str]") -> "pd.Series[str]":
    return sample.str.replace(r"[\d.,'()\s+\-]", "", regex=True)


def _is_unit(unit: str) -> bool:
    symbol = re.sub(r"^[A-Z]{1,2}(?=.)", "", unit)  # US$, R$
    return unit in _UNITS or (len(symbol) == 1 and unicodedata.category(symbol) == "Sc")
