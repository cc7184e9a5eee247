"""What one column holds: its type, what stands for a missing value in it, and whether a model can learn from it."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.config.pipeline import ColumnType
from tasks.onboarding.times import guess_formats

if TYPE_CHECKING:
    import pandas as pd

# Texts that people write where a number is missing. In a column of text they may be values, and stay.
_MARKS = frozenset({"?", "-", "--", ".", "n/a", "na", "#n/a", "nan", "none", "null", "nil", "missing", "unknown"})
NUMBER_SHARE_MIN = 0.99  # with a few odd texts it is a column of numbers, and they are for quarantine
CATEGORIES_MAX = 50  # up to so many distinct texts are categories, whatever the number of rows
_CATEGORIES_SHARE_MAX = 0.05  # and beyond, as long as each occurs often enough to learn from
_ROWS_TO_REQUIRE = 300  # without one missing value in so many rows, they are below 1 % (rule of three)


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """A column under the name that the pipeline gives it, and why it was taken for this.

    `use` says whether a model gets it. `low` and `high` are bounds of what a number may be, `categories` all texts
    that occurred, both None where the type has none.
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


def guess_column(source_name: str, name: str, text: "pd.Series[str]", dates: str | None = None) -> ColumnGuess:
    """The column as what its texts can all be read as: truth values, numbers, times, else text."""
    known = text.dropna()
    if known.empty:
        return ColumnGuess(source_name, name, "string", use=False, required=False, why="no value at all")
    required = len(known) == len(text) >= _ROWS_TO_REQUIRE
    if known.str.lower().isin(["true", "false"]).all():
        share = known.str.lower().eq("true").mean()
        return ColumnGuess(source_name, name, "boolean", True, required, _gaps(f"true in {share:.0%}", text))
    numbers = _as_numbers(source_name, name, text, required)
    if numbers is not None:
        return numbers
    times = guess_formats(text, dates)
    if times is not None:
        written = " or ".join(times.formats) or "ISO 8601"
        doubt = f"; {times.ambiguous!r} could be month first, say --dates" if times.ambiguous else ""
        why = _gaps(f"times as {written}{doubt}; used as days before the event", text)
        return ColumnGuess(source_name, name, "timestamp", True, required, why, formats=times.formats)
    return _as_text(source_name, name, text, required)


def _as_numbers(source_name: str, name: str, text: "pd.Series[str]", required: bool) -> ColumnGuess | None:
    import pandas as pd

    known = text.dropna()
    if known.str.fullmatch(r"0\d+").any():
        return None  # a code such as 00123, which as a number would be another
    numbers = pd.to_numeric(known, errors="coerce").astype("float64").replace([math.inf, -math.inf], math.nan)
    others = known[numbers.isna()]
    marks = others[others.str.strip().str.lower().isin(_MARKS)]
    readable = len(known) - len(marks)
    odd = len(others) - len(marks)
    if not readable or numbers.notna().sum() < NUMBER_SHARE_MIN * readable:
        return None
    finite = numbers.dropna()
    low, high = bounds(finite)
    why = f"{'whole numbers' if (finite == finite.round()).all() else 'numbers'} {finite.min():g} to {finite.max():g}"
    missing = tuple(sorted(set(marks)))
    if missing:
        why += f"; {', '.join(map(repr, missing))} mean missing"
    if odd:
        example = others[~others.index.isin(marks.index)].iloc[0]
        why += f"; {odd} that are none, such as {example!r}, go to quarantine"
    use = finite.nunique() > 1
    why = _gaps(why if use else f"{why}; always the same", text.mask(text.isin(missing), None))
    required = required and not missing
    return ColumnGuess(source_name, name, "double", use, required, why, missing=missing, low=low, high=high)


def bounds(numbers: "pd.Series[float]") -> tuple[float, float]:
    """What a number of the same process may be, at most: the range seen, wider by itself and by three times its tails.

    Wide on purpose: of heavy-tailed numbers the next as many hold about one beyond it in four, and a unit that changes
    by a thousand still shows.
    """
    least, most = float(numbers.min()), float(numbers.max())
    low_tail, high_tail = float(numbers.quantile(0.05)) - least, most - float(numbers.quantile(0.95))
    width = (most - least) or max(abs(most), 1.0)
    low, high = least - max(width, 3 * low_tail), most + max(width, 3 * high_tail)
    digits = 1 - math.floor(math.log10(high - low))  # two of the width's own: a guess knows no more
    step = 10.0**-digits
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return round(max(low, 0.0) if least >= 0 else low, max(digits, 0)), round(high, max(digits, 0))


def _as_text(source_name: str, name: str, text: "pd.Series[str]", required: bool) -> ColumnGuess:
    known = text.dropna()
    values = known.unique()
    if len(values) > max(CATEGORIES_MAX, _CATEGORIES_SHARE_MAX * len(known)):
        why = _gaps(f"{len(values)} different texts in {len(known)} rows name or describe a row", text)
        return ColumnGuess(source_name, name, "string", False, False, why)
    categories = tuple(sorted(map(str, values)))
    if len(categories) == 1:
        why = _gaps(f"always {categories[0]!r}", text)
        return ColumnGuess(source_name, name, "string", False, required, why, categories=categories)
    shown = ", ".join(categories[:4]) + (", …" if len(categories) > 4 else "")
    why = _gaps(f"{len(categories)} categories: {shown}", text)
    return ColumnGuess(source_name, name, "string", True, required, why, categories=categories)


def _gaps(why: str, text: "pd.Series[str]") -> str:
    share = float(text.isna().mean())
    return f"{why}; {share:.1%} missing" if share else why
