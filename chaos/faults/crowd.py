"""Many clients that ask at the same moment, again and again, beside the load of the drill."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from chaos import golden_rows
from chaos.agents.agent import Agent
from chaos.lab import Lab
from chaos.load.request import write_requests

__all__ = ["KIND", "Crowd", "prepare"]

KIND = "crowd"
BURSTS_MIN = 2


class Crowd(BaseModel):
    """An agent sends bursts of requests, and counts how they end."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["crowd"] = "crowd"
    agent: Agent
    clients: int
    counts_file: Path

    @property
    def title(self) -> str:
        return f"{self.clients} clients ask at once"

    def inject(self) -> None:
        """Start the agent."""
        self.agent.start()

    def undo(self) -> None:
        """End the agent."""
        self.agent.end()

    def active(self) -> bool:
        """Whether the agent runs and its clients have got answers to several bursts."""
        try:
            ended = json.loads(self.counts_file.read_bytes())
        except FileNotFoundError:
            return False
        answered = ended["bursts"] >= BURSTS_MIN and ended["answered"] > 0
        return answered and self.agent.find() is not None


def prepare(lab: Lab, clients: int = 12, every_seconds: float = 1.0, seconds_max: float = 240.0) -> Crowd:
    """Bursts of `clients` requests with the rows of the load. FileNotFoundError before the load has rows."""
    requests = golden_rows.kept_requests(lab)
    rows, counts = lab.leases / "crowd.rows.ndjson", lab.leases / "crowd.counts.json"
    write_requests(rows, requests)
    arguments = (f"{lab.gateway}/invocations", str(clients), str(every_seconds), str(rows), str(counts))
    agent = Agent(
        module="send_bursts", arguments=arguments, keep_file=lab.leases / "crowd.keep", seconds_max=seconds_max
    )
    return Crowd(agent=agent, clients=clients, counts_file=counts)
