"""The live timeline: one line per change in the ledger and the release log, when it happens."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from healing.release import Release
from releases.log import ReleaseLog
from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger

POLL_SECONDS = 0.25
_STYLES = {"incident": "bold red", "attempt": "yellow", "release": "cyan", "batch": "magenta", "check": "blue"}
_ROUTINE_BATCHES = ("accepted",)


class Timeline:
    """Prints lines with the seconds since the start; in a terminal, a line with `counters` stays below them."""

    def __init__(self, console: Console, counters: Callable[[], str]) -> None:
        self._console = console
        self._counters = counters
        self._began = time.monotonic()
        self._live = Live(console=console, get_renderable=self._footer, refresh_per_second=2, transient=True)
        self._ended = threading.Event()
        self._follower: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._follower is not None:
            self._follower.join()
        self._live.stop()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def follow(self, ledger: Ledger, log: ReleaseLog, pipeline: str, on_release: Callable[[Release], None]) -> None:
        """Print new entries of ledger and log, in a thread; `on_release` is called with each release first."""
        self._follower = threading.Thread(target=self._follow, args=(ledger, log, pipeline, on_release), daemon=True)
        self._follower.start()

    def chapter(self, title: str) -> None:
        """Print a headline."""
        self._console.print(Text(f"{self.seconds:6.1f} s  {title}", style="bold"))

    def say(self, message: str, style: str = "") -> None:
        """Print one line."""
        self._console.print(Text(f"{self.seconds:6.1f} s    {message}", style=style), soft_wrap=True)

    def _follow(self, ledger: Ledger, log: ReleaseLog, pipeline: str, on_release: Callable[[Release], None]) -> None:
        entry_id = 0
        generation = 0
        while True:
            last_pass = self._ended.wait(POLL_SECONDS)
            while generation < log.latest_generation():
                generation += 1
                release = log.read(generation)
                on_release(release)
                self.say(describe_release(release), _STYLES["release"])
            for entry in ledger.timeline(pipeline, after_id=entry_id):
                entry_id = entry.id
                text = describe_entry(entry)
                if text is not None:
                    self.say(text, _STYLES.get(entry.kind.partition(".")[0], ""))
            if last_pass:
                return

    def _footer(self) -> Text:
        return Text(f"{self.seconds:6.1f} s  {self._counters()}", style="reverse")


def describe_release(release: Release) -> str:
    """One line about a release."""
    trial = release.challenger
    on_trial = f", challenger {trial.model.version} at {trial.weight:.0%}" if trial else ""
    return f"release {release.generation}: {release.reason}, champion {release.champion.version}{on_trial}"


def describe_entry(entry: JournalEntry) -> str | None:
    """One line about a journal entry; None for entries that are routine."""
    detail = entry.detail
    match entry.kind.partition("."):
        case ("incident", _, what):
            return f"incident {what}: {detail.get('cause')} of {_short(detail.get('subject'))}"
        case ("attempt", _, "started"):
            return f"remedy {detail.get('remedy')} for {detail.get('cause')}"
        case ("attempt", _, "finished"):
            return f"remedy {detail.get('remedy')} {detail.get('outcome')} {detail.get('note') or ''}".rstrip()
        case ("batch", _, _) if detail.get("status") not in _ROUTINE_BATCHES:
            counts = ", ".join(f"{name} {detail.get(name)}" for name in ("received", "accepted", "quarantined"))
            return f"batch {entry.subject} {detail.get('status')}: {counts}"
        case ("check", _, _) if detail.get("outcome") == "FAIL":
            return f"check {entry.subject} FAIL"
        case _:
            return None


def _short(subject: object) -> str:
    text = str(subject)
    return f"{text[:12]}…" if len(text) == 64 else text
