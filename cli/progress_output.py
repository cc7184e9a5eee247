"""Progress on standard error: a bar in a terminal, otherwise a line every few seconds.

Standard output stays clean for the result. Colours follow NO_COLOR, as in every command.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.runtime.progress import ShowProgress, progress_to

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

LINE_SECONDS = 5.0  # between two lines in a pipe; work that takes less shows none


@contextmanager
def progress_shown() -> Iterator[ShowProgress]:
    """Show the progress that is reported in the block."""
    from rich.console import Console

    console = Console(stderr=True)
    with _bars(console) if console.is_terminal else _lines() as show, progress_to(show):
        yield show


@contextmanager
def _lines() -> Iterator[ShowProgress]:
    yield ProgressLines(lambda line: print(f"autopilot: {line}", file=sys.stderr, flush=True), time.monotonic)


@contextmanager
def _bars(console: "Console") -> Iterator[ShowProgress]:
    """One bar per kind of work, with amount, rate and time left; they vanish at the end."""
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Figures(ProgressColumn):
        """Amount, rate and time left."""

        def render(self, task: "Task") -> Text:
            seconds, started = task.elapsed or 0.0, task.fields["started"]
            total = int(task.total or 0)
            return Text(progress_text(int(task.completed), total, task.fields["unit"], started, seconds))

    columns = (TextColumn("{task.description:<18}"), BarColumn(bar_width=24), Figures(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        shown: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int, unit: str = "steps") -> None:
            if what not in shown:
                shown[what] = bars.add_task(what, total=total, unit=unit, started=done)
            bars.update(shown[what], completed=done, total=total)
            if done >= total:
                bars.stop_task(shown[what])

        yield show


@dataclass
class ProgressLines:
    """Progress as lines, at most one per `LINE_SECONDS`."""

    write: Callable[[str], object]
    clock: Callable[[], float]
    _last: float = field(init=False)
    _began: dict[str, tuple[float, int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def __call__(self, what: str, done: int, total: int, unit: str = "steps") -> None:
        now = self.clock()
        began, started = self._began.setdefault(what, (now, done))
        if now - self._last >= LINE_SECONDS:
            self._last = now
            self.write(f"{what} {progress_text(done, total, unit, started, now - began)}")


def progress_text(done: int, total: int, unit: str, started: int, seconds: float) -> str:
    """Amount, rate and time left; `done - started` units took `seconds`.

    >>> progress_text(200, 1000, "rows", 0, 2.0)
    '200 of 1,000 rows, 100 rows/s, 8 s left'
    >>> progress_text(0, 3, "steps", 0, 1.0)
    '0 of 3 steps'
    """
    amount = f"{done:,} of {total:,} {unit}"
    rate = (done - started) / seconds if seconds > 0 else 0.0
    if rate <= 0 or done >= total:
        return amount
    speed = f"{rate:,.0f} {unit}/s" if rate >= 1 else f"{1 / rate:,.0f} s per {unit.removesuffix('s')}"
    return f"{amount}, {speed}, {_duration((total - done) / rate)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
