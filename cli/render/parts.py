"""The parts of reports: headlines, fields, tables, and words with the colour of what they mean."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


class Tone(StrEnum):
    """What a word means to an operator, as a style of rich."""

    GOOD = "green"
    BAD = "bold red"
    UNSURE = "yellow"
    PLAIN = ""
    QUIET = "dim"


_GOOD = ("pass", "healthy", "recovered", "promoted", "bootstrapped", "returned", "win", "succeeded", "approved")
_BAD = (
    *("fail", "failed", "aborted", "escalated", "error", "worse", "down", "refused", "crashed"),
    *("concept_shift", "bad_data", "bad_deployment"),
)
_UNSURE = (
    *("inconclusive", "open", "diagnosed", "healing", "running", "warning", "restarting", "starting", "waiting"),
    *("not_better", "dismissed", "futile", "seasonal", "covariate_shift", "infrastructure"),
)
_TONES = {Tone.GOOD: _GOOD, Tone.BAD: _BAD, Tone.UNSURE: _UNSURE}
_TONE_OF = {word: tone for tone, words in _TONES.items() for word in words}


def word(value: object) -> Text:
    """A word with the colour of its meaning, such as PASS, healthy or escalated; `not_better` reads `not better`."""
    text = str(value)
    return Text(text.replace("_", " "), style=_TONE_OF.get(text.lower(), Tone.PLAIN))


def has_tone(text: str) -> bool:
    """Whether `word` gives the text a colour."""
    return text.lower() in _TONE_OF


def quiet(value: object) -> Text:
    """Dim text, for details."""
    return Text(str(value), style=Tone.QUIET)


def moment(at: datetime | None, missing: str = "not yet") -> str:
    """A time in UTC, to the second."""
    return missing if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def number(value: float | None) -> str:
    """Four significant digits; a dash for a number that is missing. Whole numbers keep all their digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """Seconds with a digit behind the point; minutes, hours and days without."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s" if seconds >= 10 else f"{max(0.0, seconds):.1f} s"


class Headline:
    """One line that says how it is: in a frame in a terminal, bare in a pipe."""

    def __init__(self, *words: str | Text, tone: Tone = Tone.PLAIN) -> None:
        self._text = Text(" ").join(each if isinstance(each, Text) else Text(each) for each in words)
        self._tone = tone

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.is_terminal:
            yield Panel(self._text, box=box.ROUNDED, border_style=self._tone, expand=False)
        else:
            yield self._text


def section(title: str, *parts: RenderableType) -> list[RenderableType]:
    """Parts below an empty line and a title, indented."""
    return [Text(f"\n{title}", style="bold"), *(Padding(part, (0, 0, 0, 2), expand=False) for part in parts)]


def fields(pairs: Iterable[tuple[str, RenderableType | None]]) -> Table:
    """Names with their values; an empty value is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=Tone.QUIET, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None and value != "":
            grid.add_row(name, value)
    return grid


def table(columns: Sequence[str], rows: Iterable[Sequence[RenderableType]], *, numbers: Iterable[str] = ()) -> Table:
    """A table without lines between its columns. `numbers` names the columns that are aligned to the right.

    The last column takes the long texts: it is the one that is wrapped where the terminal is narrow.
    """
    right = set(numbers)
    sheet = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for position, name in enumerate(columns):
        is_last = position == len(columns) - 1
        sheet.add_column(name, justify="right" if name in right else "left", no_wrap=not is_last, overflow="fold")
    for row in rows:
        sheet.add_row(*row)
    return sheet
