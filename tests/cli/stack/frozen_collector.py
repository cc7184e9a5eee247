"""A process in which the garbage collector meets a cursor whose connection waits for SQLite's write lock.

    python -m tests.cli.stack.frozen_collector DATABASE automatic|thread

It prints "acquired" when the waiting connection got the lock, and "locked" when its busy timeout ended first, because
the thread that holds the lock was stopped by the garbage collector.
"""

import gc
import sqlite3
import sys
import threading
import weakref
from pathlib import Path

from cli.stack import prefect_server

BUSY_SECONDS = 10.0  # many times what collecting takes on a busy machine
OLDER_SECONDS = 0.5  # objects that were alive at a collection are looked at again after this time, not after 30 s
WAITS_MIN = 6  # the busy handler sleeps 1, 2, 5, 10, 15 and 20 ms at first


class Cycle:
    """Garbage that only the collector finds."""

    def __init__(self, cursor):
        self.cursor = cursor
        self.itself = self


def sleeps(thread):
    """How often the thread has given up the processor by itself."""
    status = Path(f"/proc/self/task/{thread}/status").read_text()
    return int(status.split("voluntary_ctxt_switches:")[1].split()[0])


def main(database, collecting):
    gc.collect()
    if collecting == "thread":
        prefect_server.MIDDLE_SECONDS = prefect_server.FULL_SECONDS = OLDER_SECONDS
        prefect_server.collect_in_a_thread()
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("PRAGMA journal_mode = WAL")
    waiter = sqlite3.connect(database, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)
    cycle = Cycle(waiter.execute("VALUES (1), (2)"))  # not read to its end
    collected = weakref.ref(cycle)
    holder.execute("BEGIN IMMEDIATE")
    outcome = []
    asking = threading.Event()

    def wait_for_lock():
        asking.set()
        try:
            waiter.execute("BEGIN IMMEDIATE")
            outcome.append("acquired")
        except sqlite3.OperationalError:
            outcome.append("locked")

    thread = threading.Thread(target=wait_for_lock)
    thread.start()
    asking.wait()
    assert thread.native_id is not None
    before = sleeps(thread.native_id)
    while sleeps(thread.native_id) < before + WAITS_MIN:
        pass
    del cycle
    kept = []
    while collected() is not None:  # allocate, as an event loop does
        kept.append([])
    holder.execute("COMMIT")
    thread.join()
    sys.stdout.write(outcome[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
