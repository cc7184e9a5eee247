"""Progress of long work: the work reports its steps, and the command that runs it shows them.

A flow gets plain values only, so the receiver is set for the process. Without one, nothing is shown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class ShowProgress(Protocol):
    """Shows that `done` of `total` units of a piece of work are done; `total` may be corrected later."""

    def __call__(self, what: str, done: int, total: int, unit: str = "steps") -> None: ...


def _show_nothing(what: str, done: int, total: int, unit: str = "steps") -> None:
    """The receiver where no command shows progress."""


_receivers: list[ShowProgress] = [_show_nothing]


def report_progress(what: str, done: int, total: int, unit: str = "steps") -> None:
    """Report to the receiver that `done` of `total` units of the work `what` are done."""
    _receivers[-1](what, done, max(done, total), unit)


@contextmanager
def progress_to(show: ShowProgress) -> Iterator[None]:
    """Send what is reported in the block to `show`."""
    _receivers.append(show)
    try:
        yield
    finally:
        _receivers.remove(show)
