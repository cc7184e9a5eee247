"""What `autopilot doctor` examines: one home with its pipelines, read once and never written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from cli.doctor.finding import Finding, Severity
from cli.doctor.sqlite_file import connect_read_only
from cli.stack.home import Processes, is_up, read_processes
from healing.errors import ConfigError, StoreUnavailable
from tasks.config.settings import Settings
from tasks.runtime.file_locks import is_held
from tasks.runtime.restart_requests import SUPERVISOR_LOCK

LEDGER_SECONDS_MAX = 5.0
_WAIT_IN_URL = "wait_seconds"  # a bound of our own in the URL of a ledger, see tasks.ledger.database


class LedgerUnreadable(Exception):
    """The ledger cannot be read; the check `databases` reports why."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One home. `pipelines` are the pipelines to examine; `free_mib_min` is the free space that a disk should have."""

    settings: Settings
    pipelines: tuple[str, ...]
    free_mib_min: int
    up: bool
    supervised: bool  # a supervisor holds the home; `up` says that all its services were healthy once
    processes: Processes
    faulty_processes_file: str = ""
    now: Callable[[], datetime] = field(default=partial(datetime.now, UTC))

    @classmethod
    def of(cls, settings: Settings, pipelines: tuple[str, ...], free_mib_min: int) -> "Examined":
        """Read the files of the stack; a file that cannot be read is a finding of the check `leftovers`."""
        processes, fault = Processes(), ""
        try:
            processes = read_processes(settings.home)
        except ConfigError as exc:
            fault = str(exc)
        except OSError:
            pass  # the check `permissions` reports it
        return cls(
            settings=settings,
            pipelines=pipelines,
            free_mib_min=free_mib_min,
            up=is_up(settings.home),
            supervised=is_held(settings.home / SUPERVISOR_LOCK),
            processes=processes,
            faulty_processes_file=fault,
        )

    @property
    def ledger_file(self) -> Path | None:
        """The file of the ledger; None if its database is a server."""
        url = self._ledger_url()
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    @contextmanager
    def ledger(self) -> Iterator[sa.Connection | None]:
        """A read-only connection to the ledger, which never creates or changes it; None if there is no ledger yet.

        LedgerUnreadable if it does not answer.
        """
        if not self.settings.has_ledger:
            yield None
            return
        engine = self._engine()
        try:
            with engine.connect() as connection:
                yield connection
        except (sa.exc.DBAPIError, StoreUnavailable, OSError) as exc:
            raise LedgerUnreadable(str(exc)) from exc
        finally:
            engine.dispose()

    def _engine(self) -> sa.Engine:
        file = self.ledger_file
        if file is not None:
            connect = partial(connect_read_only, file, LEDGER_SECONDS_MAX)
            return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)
        url = self._ledger_url().difference_update_query([_WAIT_IN_URL])
        timeout = {"timeout": LEDGER_SECONDS_MAX} if url.drivername == "postgresql+pg8000" else {}
        try:
            return sa.create_engine(url, connect_args=timeout, poolclass=sa.NullPool)
        except (sa.exc.NoSuchModuleError, ImportError) as exc:
            raise LedgerUnreadable(f"no driver for {url.drivername}: {exc}") from exc

    def _ledger_url(self) -> sa.URL:
        try:
            return sa.make_url(self.settings.ledger_dsn)
        except sa.exc.ArgumentError as exc:  # its message holds the URL, which may hold a password
            raise LedgerUnreadable("an address that is no SQLAlchemy URL") from exc


Check = Callable[[Examined], Iterator[Finding]]


def error(check: str, subject: object, expected: str, found: str, fix: str) -> Finding:
    """A finding of something that does not work."""
    return Finding(check, Severity.ERROR, str(subject), expected, found, fix)


def warning(check: str, subject: object, expected: str, found: str, fix: str) -> Finding:
    """A finding of something that works and that somebody should know."""
    return Finding(check, Severity.WARNING, str(subject), expected, found, fix)
