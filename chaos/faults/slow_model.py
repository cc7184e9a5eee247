"""A model that answers correctly and slowly, whichever process serves it."""

import json
import time
from pathlib import Path
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict

from chaos.agents.agent import Agent
from chaos.lab import TIMEOUT_SECONDS, Lab

__all__ = ["KIND", "SlowModel", "prepare"]

KIND = "slow_model"
PROOF_SHARE = 0.5  # of the stopped time: a request arrives at any moment of it
PROOF_REQUESTS = 5  # of which the slowest counts


class SlowModel(BaseModel):
    """An agent stops the model's worker for `stopped_seconds` in each turn."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["slow_model"] = "slow_model"
    agent: Agent
    gateway: str
    manifest: Path
    stopped_seconds: float

    @property
    def title(self) -> str:
        return f"model {self.manifest.parent.name[:12]} slowed down"

    def inject(self) -> None:
        """Start the agent."""
        self.agent.start()

    def undo(self) -> None:
        """End the agent."""
        self.agent.end()

    def active(self) -> bool:
        """Whether this model, asked through the gateway, takes at least half of the stopped time for an answer."""
        golden = json.loads(self.manifest.read_bytes())["golden"]
        body = {"dataframe_split": {"columns": golden["columns"], "data": golden["rows"][:1]}}
        headers = {"x-model-digest": self.manifest.parent.name}
        slowest = 0.0
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            for _ in range(PROOF_REQUESTS):
                start = time.monotonic()
                try:
                    client.post(f"{self.gateway}/invocations", json=body, headers=headers)
                except httpx.HTTPError:
                    return False
                slowest = max(slowest, time.monotonic() - start)
        return slowest >= PROOF_SHARE * self.stopped_seconds


def prepare(lab: Lab, stopped_seconds: float, running_seconds: float, seconds_max: float = 240.0) -> SlowModel:
    """The champion, which runs for `running_seconds` between two stops. LookupError when there is no release."""
    digest = lab.champion()
    return SlowModel(
        agent=Agent(
            module="slow_workers",
            arguments=(lab.operate, digest, str(stopped_seconds), str(running_seconds)),
            keep_file=lab.leases / f"slow_model.{digest[:12]}.keep",
            seconds_max=seconds_max,
        ),
        gateway=lab.gateway,
        manifest=lab.models / digest / "manifest.json",
        stopped_seconds=stopped_seconds,
    )
