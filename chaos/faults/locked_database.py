"""A SQLite database whose write lock another process holds: every writer waits and gives up."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from chaos.agents.agent import Agent
from chaos.lab import Lab

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


def prepare(lab: Lab, database: Literal["ledger"] = "ledger", seconds_max: float = 240.0) -> LockedDatabase:
    """`database` is ledger. LookupError for another name."""
    if database != "ledger":
        raise LookupError(f"expected the database ledger, found {database!r}")
    agent = Agent(
        module="lock_database",
        arguments=(str(lab.ledger),),
        keep_file=lab.leases / f"locked.{lab.ledger.name}.keep",
        seconds_max=seconds_max,
    )
    return LockedDatabase(agent=agent, path=lab.ledger)
