"""Holds the write lock of a SQLite database: `... KEEP_FILE SECONDS DATABASE`. Readers go on in WAL mode."""

import sqlite3
import sys
from contextlib import closing

from chaos.agents.agent import keep_active

BUSY_SECONDS = 10.0

if __name__ == "__main__":
    with closing(sqlite3.connect(sys.argv[3], timeout=BUSY_SECONDS, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        keep_active(sys.argv[1:], lambda: None)
        database.execute("ROLLBACK")
