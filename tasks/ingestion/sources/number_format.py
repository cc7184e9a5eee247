"""Numbers as their source writes them, such as 1.234,50 €, in the plain form 1234.50."""

import re
from functools import cache
from typing import TYPE_CHECKING

from tasks.config.table import NumberFormat

if TYPE_CHECKING:
    import pandas as pd

_SPACES = "\u00a0\u202f\u2009"  # no-break and thin spaces, which many languages write between thousands
_UNFIT = " (not in the column's format of numbers)"


def plain_numbers(text: "pd.Series[str]", format_: NumberFormat) -> "pd.Series[str]":
    """The numbers that are written in `format_`, in plain form; None for every other text."""
    clean = text.str.translate({ord(space): " " for space in _SPACES}).str.strip()
    parts = clean.str.extract(_pattern(format_))
    number = parts["before"].where(parts["before"].notna(), parts["after"])
    if format_.thousands:
        number = number.str.replace(format_.thousands, "", regex=False)
    if format_.decimal != ".":
        number = number.str.replace(format_.decimal, ".", regex=False)
    negative = parts["open"].notna() | parts["sign"].eq("-") | parts["inner"].eq("-")
    twice = parts["sign"].notna() & parts["inner"].notna() | parts["open"].notna() & parts["sign"].notna()
    written: pd.Series[str] = number.mask(negative, "-" + number).astype(object)
    return written.mask(number.isna() | twice, None)


def in_plain_form(text: "pd.Series[str]", format_: NumberFormat) -> "pd.Series[str]":
    """The numbers in plain form. A text in another format gets a remark, so that a check finds and shows it."""
    plain = plain_numbers(text, format_)
    return plain.where(plain.notna() | text.isna(), text + _UNFIT)


@cache
def _pattern(format_: NumberFormat) -> str:
    """An expression for a whole text; a number in brackets is negative, as accountants write it."""
    decimal, thousands, unit = map(re.escape, (format_.decimal, format_.thousands, format_.unit))
    whole = rf"(?:[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|\d+)" if thousands else r"\d+"
    number = rf"(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?"
    if not unit:
        return rf"^(?P<open>\()?(?P<sign>[+-])?(?P<inner>(?!))?(?P<before>{number})(?P<after>(?!))?(?(open)\))$"
    return (
        rf"^(?P<open>\()?(?P<sign>[+-])? ?(?:{unit} ?(?P<inner>[+-])?(?P<before>{number})|(?P<after>{number}) ?{unit})"
        rf"(?(open)\))$"
    )
