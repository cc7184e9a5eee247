"""A SQLite database whose lock another process holds: writers, or readers too, wait and give up."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from chaos.agents.agent import Agent
from chaos.lab import Lab
from chaos.source_files import source_databases

__all__ = ["KIND", "LockedDatabase", "prepare"]

KIND = "locked_database"


class LockedDatabase(BaseModel):
    """An agent holds the lock of `path`."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["locked_database"] = "locked_database"
    agent: Agent
    path: Path

    @property
    def title(self) -> str:
        return f"{self.path.name} locked"

    def inject(self) -> None:
        """Start the agent."""
        self.agent.start()

    def undo(self) -> None:
        """End the agent, which gives the lock back."""
        self.agent.end()

    def active(self) -> bool:
        """Whether a writer is refused while the agent runs."""
        if self.agent.find() is None:
            return False
        with closing(sqlite3.connect(self.path, timeout=0, isolation_level=None)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as exc:
                return "locked" in str(exc)
            database.execute("ROLLBACK")
            return False


def prepare(
    lab: Lab, database: Literal["ledger", "source", "registry"] = "ledger", seconds_max: float = 240.0
) -> LockedDatabase:
    """`database` is ledger; or, for readers as well, source (of kind sql) or registry (MLflow's store), if SQLite.

    LookupError for another name, or when there is no such database.
    """
    if database not in ("ledger", "source", "registry"):
        raise LookupError(f"expected the database ledger, source or registry, found {database!r}")
    path = {"ledger": _ledger, "source": _source, "registry": _registry}[database](lab)
    agent = Agent(
        module="lock_database",
        arguments=(str(path), "IMMEDIATE" if database == "ledger" else "EXCLUSIVE"),
        keep_file=lab.leases / f"locked.{path.name}.keep",
        seconds_max=seconds_max,
    )
    return LockedDatabase(agent=agent, path=path)


def _ledger(lab: Lab) -> Path:
    return lab.ledger_file


def _registry(lab: Lab) -> Path:
    if not lab.registry.exists():
        raise LookupError(f"expected MLflow's store {lab.registry} to lock, found none; was a model trained here?")
    return lab.registry


def _source(lab: Lab) -> Path:
    found = source_databases(lab.pipelines_dir, lab.pipeline)
    if not found:
        raise LookupError(f"expected a SQLite database as a source of {lab.pipeline}, found none")
    return found[0]
