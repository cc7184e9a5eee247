"""Formats of a column of times: ISO 8601, or the few formats that together parse nearly all of its texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from tasks.ingestion.sources.contract_form import UNIX_MILLISECONDS, UNIX_SECONDS, parse_times

if TYPE_CHECKING:
    import pandas as pd

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
READABLE_SHARE_MIN = 0.99  # the other texts are quarantined; with more of them, the column is not a column of times
_SAMPLE = 2_000  # distinct texts on which all formats are tried; the chosen ones are then tried on all texts

_ISO = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")
_NAMED = ("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_ORDERS = {DAY_FIRST: ("%d{0}%m{0}%Y", "%d{0}%m{0}%y"), MONTH_FIRST: ("%m{0}%d{0}%Y", "%m{0}%d{0}%y")}
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S", "T%H:%M:%S.%f", "T%H:%M:%S%z", " %H:%M:%S%z"),
    *(" %I:%M %p", " %I:%M:%S %p"),
)


@dataclass(frozen=True, slots=True)
class TimeFormats:
    """Formats that parse the column, empty for ISO 8601. `ambiguous` is a text whose day and month could be swapped."""

    formats: tuple[str, ...]
    ambiguous: str | None = None


def guess_formats(text: "pd.Series[str]", dates: str | None = None) -> TimeFormats | None:
    """The fewest formats that parse at least 99 % of the texts; None if there are none.

    `dates` says whether the day or the month comes first. Without it, a column that fits both orders is ambiguous, and
    the formats have the day first.
    """
    known = text.dropna()
    if known.empty:
        return None
    if known.str.fullmatch(r"\d{10}|\d{13}").all():
        return TimeFormats((UNIX_SECONDS if known.str.len().max() == 10 else UNIX_MILLISECONDS,))
    if _parsed_share(known, ()) >= READABLE_SHARE_MIN:
        return TimeFormats(())
    sample = known.drop_duplicates().head(_SAMPLE)
    found = {order: _cover(sample, _candidates(order)) for order in ([dates] if dates else _ORDERS)}
    shares = {order: _parsed_share(known, formats) if formats else 0.0 for order, formats in found.items()}
    best = max(shares, key=lambda order: shares[order])
    if shares[best] < READABLE_SHARE_MIN:
        return None
    if len(found) > 1 and shares[DAY_FIRST] == shares[MONTH_FIRST] and found[DAY_FIRST] != found[MONTH_FIRST]:
        return TimeFormats(found[DAY_FIRST], ambiguous=_ambiguous_text(sample, found[DAY_FIRST], found[MONTH_FIRST]))
    return TimeFormats(found[best])


def cuts_digits(known: "pd.Series[str]") -> bool:
    """Whether times have digits below a microsecond, which the lake does not keep."""
    return bool(known.str.contains(r":\d\d\.\d{6}0*[1-9]", regex=True).any())


def _candidates(order: str) -> list[str]:
    dates = [*_ISO, *_NAMED, *(date.format(separator) for separator in "/.-" for date in _ORDERS[order])]
    return [f"{date}{clock}" for date, clock in product(dates, _CLOCKS)]


def _cover(sample: "pd.Series[str]", candidates: Sequence[str]) -> tuple[str, ...]:
    """Formats that together parse the sample: each is the one that parses most of the remaining texts."""
    chosen: list[str] = []
    left = sample
    while len(left):
        parsed = {format_: int(parse_times(left, (format_,)).notna().sum()) for format_ in candidates}
        best = max(parsed, key=lambda format_: parsed[format_])
        if not parsed[best]:
            break
        chosen.append(best)
        left = left[parse_times(left, (best,)).isna()]
    return tuple(chosen)


def _parsed_share(text: "pd.Series[str]", formats: tuple[str, ...]) -> float:
    return float(parse_times(text, formats).notna().mean())


def _ambiguous_text(sample: "pd.Series[str]", one: tuple[str, ...], other: tuple[str, ...]) -> str | None:
    """A text that the two format lists parse as different instants; None if there is none."""
    differ = sample[(parse_times(sample, one) != parse_times(sample, other)).to_numpy()]
    return None if differ.empty else str(differ.iloc[0])
