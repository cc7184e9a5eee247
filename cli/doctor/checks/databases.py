"""Whether the databases are sound, small in their write-ahead log, and not locked for long."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psutil
import sqlalchemy as sa

from cli.doctor.examined import Examined, LedgerUnreadable, error, warning
from cli.doctor.finding import Finding
from cli.doctor.sqlite_file import quick_check, wal_of, writer_that_stays
from tasks.ledger.outage import offline_ledger_file

NAME = "databases"
CHECK_SECONDS_MAX = 5.0  # per database; a larger one is examined as far as this time allows
LOCK_SECONDS = 3.0  # a transaction of ours takes milliseconds
WAL_BYTES_MAX = 256 * 2**20  # SQLite starts to empty it at 4 MB; far beyond that, a reader holds it back


def find(examined: Examined) -> Iterator[Finding]:
    """The ledger, its copies for outages, and the databases of Prefect and MLflow."""
    for file in _files(examined):
        if file.exists():
            yield from _faults(file)
    if examined.ledger_file is None:
        yield from _server_faults(examined)


def _files(examined: Examined) -> Iterator[Path]:
    home = examined.settings.home
    if examined.ledger_file is not None:
        yield examined.ledger_file
    yield home / "prefect" / "prefect.db"
    yield examined.settings.mlflow_dir / "mlflow.db"
    yield from (offline_ledger_file(home, pipeline) for pipeline in examined.pipelines)


def _faults(file: Path) -> Iterator[Finding]:
    writer = writer_that_stays(file, LOCK_SECONDS)
    if writer is not None:
        found = f"one that lasts for more than {LOCK_SECONDS:g} s, of {_process(writer)}"
        fix = f"end that process: `kill {writer}`" if writer else f"find the process: `fuser -v {file}`"
        yield error(NAME, file, "short write transactions", found, fix)
    try:
        fault = quick_check(file, CHECK_SECONDS_MAX)
    except sqlite3.Error as exc:
        fault = f"{type(exc).__name__}: {exc}"
    if fault:
        fix = f"end `autopilot up`, then restore a backup, or keep what is readable: `sqlite3 {file} .recover`"
        yield error(NAME, file, "a database that passes PRAGMA quick_check", fault, fix)
    wal = wal_of(file)
    wal_bytes = wal.stat().st_size if wal.exists() else 0
    if wal_bytes > WAL_BYTES_MAX:
        fix = f"end what reads the database for long: `fuser -v {wal}`; then restart `autopilot up`"
        expected = f"a write-ahead log below {WAL_BYTES_MAX // 2**20} MiB"
        yield warning(NAME, wal, expected, f"{wal_bytes // 2**20} MiB", fix)


def _server_faults(examined: Examined) -> Iterator[Finding]:
    where = sa.make_url(examined.settings.ledger_dsn).render_as_string(hide_password=True)
    try:
        with examined.ledger() as connection:
            if connection is not None:
                connection.execute(sa.text("SELECT 1"))
    except (LedgerUnreadable, sa.exc.SQLAlchemyError, OSError) as exc:
        fix = "start the database, or correct AUTOPILOT_LEDGER_URL"
        yield error(NAME, where, "a ledger that answers", str(exc), fix)


def _process(pid: int) -> str:
    try:
        return f"process {pid} ({' '.join(psutil.Process(pid).cmdline())[:80]})" if pid else "a process out of sight"
    except psutil.Error:
        return f"process {pid}"
