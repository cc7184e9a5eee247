"""Loads Great Expectations in the background while a slow source is waited for: a batch needs it later."""

import importlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 0.5  # a source that answers within this leaves nothing to wait for


def load_library() -> None:
    """Import what `evaluate_suite` needs, about three seconds of processor time."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read when the library is imported
    importlib.import_module("great_expectations.data_context")
    importlib.import_module("great_expectations.expectations.expectation")


@contextmanager
def loaded_while_waiting(load: Callable[[], None] = load_library) -> Iterator[None]:
    """Call `load` in a thread if the block takes longer than PATIENCE_SECONDS; leaving the block waits for its end.

    The block only waits for a source. What it uses must not meet a library whose import is half done: SQLAlchemy's
    mapper registers itself for all statements at the start of its import, so it is imported here first.
    """
    importlib.import_module("sqlalchemy.orm")
    timer = threading.Timer(PATIENCE_SECONDS, load)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # a thread that imports must not outlive the interpreter
