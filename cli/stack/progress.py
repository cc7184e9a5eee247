"""Shows the state of each service while a stack starts; plain lines where the output is not a terminal."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.stack.services import Stack
from cli.stack.watched_service import ServiceState

_STYLES = {
    ServiceState.WAITING: "dim",
    ServiceState.STARTING: "yellow",
    ServiceState.HEALTHY: "green",
    ServiceState.DONE: "green",
    ServiceState.RESTARTING: "red",
    ServiceState.FAILED: "bold red",
}


class StackProgress:
    """One line per service, until the stack is announced."""

    def __init__(self, stack: Stack, console: Console | None = None) -> None:
        self._stack = stack
        self._console = console or Console(stderr=True)
        self._began = time.monotonic()
        self._states: dict[str, tuple[ServiceState, float]] = {}
        self._live = Live(console=self._console, get_renderable=self._table, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, name: str, state: ServiceState) -> None:
        """Record that service `name` is now in `state`."""
        seconds = time.monotonic() - self._began
        self._states[name] = (state, seconds)
        if not self._live.is_started:
            self.say(f"{name} {state}")

    def announce(self) -> None:
        """Replace the progress by the addresses, once everything is healthy."""
        self._live.stop()
        self.say("ready")
        self._console.print(f"  {'status page':<20} {self._stack.url('operate')}/", highlight=False, soft_wrap=True)
        for name, url in self._stack.addresses().items():
            self._console.print(f"  {name:<20} {url}", highlight=False, soft_wrap=True)
        self._console.print("  Ctrl-C stops everything; the state stays in", str(self._stack.home), soft_wrap=True)

    def say(self, message: str) -> None:
        """Print one line with the seconds since the start."""
        self._console.print(f"{time.monotonic() - self._began:6.1f} s  {message}", highlight=False)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, (state, seconds) in self._states.items():
            table.add_row(f"{seconds:6.1f} s", name, Text(str(state), style=_STYLES[state]))
        return table
