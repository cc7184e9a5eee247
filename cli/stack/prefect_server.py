"""Runs a Prefect command with the garbage collector in a thread of its own, so that it never stops an event loop.

    python -m cli.stack.prefect_server server start --host 127.0.0.1 --port 4200

A cursor of SQLite that is part of a reference cycle is finalized by the garbage collector, in the thread that happens
to allocate: usually the event loop of the server. `sqlite3_reset` waits for the mutex of the cursor's connection. If
another thread waits with that connection for SQLite's write lock, and a coroutine of the event loop holds the lock,
then nothing goes on until the busy timeout of 60 s is over. A collector in a thread of its own waits alone.
"""

import gc
import runpy
import threading
import time

CHECK_SECONDS = 0.25
YOUNG_OBJECTS_MAX = 20_000  # as many new objects are collected at once; CPython's own limit is 700 to 2,000
MIDDLE_SECONDS = 5.0
FULL_SECONDS = 30.0


def collect_in_a_thread() -> threading.Thread:
    """Turn automatic collection off, and start a thread that collects instead."""
    gc.disable()
    collector = threading.Thread(target=_collect, name="garbage collector", daemon=True)
    collector.start()
    return collector


def _collect() -> None:
    middle_due, full_due = time.monotonic() + MIDDLE_SECONDS, time.monotonic() + FULL_SECONDS
    while True:
        time.sleep(CHECK_SECONDS)
        now = time.monotonic()
        if now >= full_due:
            gc.collect()
            middle_due, full_due = now + MIDDLE_SECONDS, now + FULL_SECONDS
        elif now >= middle_due:
            gc.collect(1)
            middle_due = now + MIDDLE_SECONDS
        elif gc.get_count()[0] > YOUNG_OBJECTS_MAX:
            gc.collect(0)


if __name__ == "__main__":
    collect_in_a_thread()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
