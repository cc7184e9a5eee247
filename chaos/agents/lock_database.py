"""Holds a lock of a SQLite database: `... KEEP_FILE SECONDS DATABASE IMMEDIATE|EXCLUSIVE`.

Readers go on beside IMMEDIATE, and beside EXCLUSIVE in WAL mode only.
"""

import sqlite3
import sys
from contextlib import closing

from chaos.agents.agent import keep_active

BUSY_SECONDS = 10.0

if __name__ == "__main__":
    with closing(sqlite3.connect(sys.argv[3], timeout=BUSY_SECONDS, isolation_level=None)) as database:
        database.execute(f"BEGIN {sys.argv[4]}")
        keep_active(sys.argv[1:], lambda: None)
        database.execute("ROLLBACK")
