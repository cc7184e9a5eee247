"""Whether MLflow's tracking store answers: a server, a database or a directory."""

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.incident import Cause
from tasks.incidents.probe import LOOK_SECONDS_MAX, Probe, ProbeContext, Sighting
from tasks.runtime.http_checks import failure_of

ANSWER_SECONDS = 1.5

_MLFLOW: ProblemKey = (Cause.REGISTRY_UNAVAILABLE, "mlflow")


class RegistryAnswers(Probe):
    """A store that was never made, before the first training, is no problem."""

    name = "registry"
    looks_min = 3

    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:  # noqa: ARG002
        return frozenset({_MLFLOW})

    def observe(self, context: ProbeContext) -> Sighting:
        failure = registry_failure(context.settings.tracking_uri)
        return Sighting(reason="MLflow's tracking store answers") if failure is None else _sighting(failure)

    def hung(self, context: ProbeContext) -> Sighting:  # noqa: ARG002
        return _sighting(f"no answer within {LOOK_SECONDS_MAX:g} s")


def registry_failure(tracking_uri: str) -> str | None:
    """Why the store at `tracking_uri` cannot be used; None if it can, or if it is a file that was never made."""
    parts = urlsplit(tracking_uri)
    if parts.scheme in ("http", "https"):
        return failure_of(f"{tracking_uri.rstrip('/')}/health", ANSWER_SECONDS)
    if parts.scheme == "sqlite":
        return _sqlite_failure(Path(unquote(parts.path.removeprefix("/"))))
    if parts.scheme in ("", "file"):
        folder = Path(unquote(parts.path))
        return None if not folder.exists() or os.access(folder, os.R_OK | os.X_OK) else "a directory without access"
    return _database_failure(tracking_uri)


def _sqlite_failure(file: Path) -> str | None:
    if not file.parent.is_dir() or not file.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=ANSWER_SECONDS)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as exc:
        return f"{file.name}: {exc}"
    return None


def _database_failure(url: str) -> str | None:
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except (sa.exc.SQLAlchemyError, ImportError) as exc:  # ImportError: its driver is missing
        return f"{type(exc).__name__}: {getattr(exc, 'orig', None) or exc}"
    return None


def _sighting(failure: str) -> Sighting:
    message = f"expected MLflow's tracking store to answer, found {failure}"
    return Sighting((ProblemSignal(*_MLFLOW, message),))


PROBES = (RegistryAnswers,)
