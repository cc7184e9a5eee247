"""A model whose workers are killed each time they become ready."""

from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict

from chaos import http
from chaos.agents.agent import Agent
from chaos.lab import Lab

__all__ = ["KIND", "CrashLoop", "prepare"]

KIND = "crash_loop"
CRASHES_MIN = 2  # one is a crash, not a loop


class CrashLoop(BaseModel):
    """An agent kills all workers of one model; `restarts_before` is the gateway's own count when the loop began."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["crash_loop"] = "crash_loop"
    agent: Agent
    operate: str
    digest: str
    restarts_before: int

    @property
    def title(self) -> str:
        return f"worker of {self.digest[:12]} crashes again and again"

    def inject(self) -> None:
        """Start the agent."""
        self.agent.start()

    def undo(self) -> None:
        """End the agent."""
        self.agent.end()

    def active(self) -> bool:
        """Whether the gateway has counted further restarts of the model's workers, and the agent still runs."""
        restarts = _restarts(self.operate, self.digest)
        counted = restarts is not None and restarts - self.restarts_before >= CRASHES_MIN
        return counted and self.agent.find() is not None


def prepare(lab: Lab, role: Literal["champion", "challenger"] = "champion", seconds_max: float = 240.0) -> CrashLoop:
    """A crash loop of the worker of the champion or of the challenger. LookupError when there is no such model."""
    digest = lab.champion() if role == "champion" else lab.challenger()
    return CrashLoop(
        agent=Agent(
            module="kill_workers",
            arguments=(lab.operate, digest),
            keep_file=lab.leases / f"crash_loop.{digest[:12]}.keep",
            seconds_max=seconds_max,
        ),
        operate=lab.operate,
        digest=digest,
        restarts_before=_restarts(lab.operate, digest) or 0,
    )


def _restarts(operate: str, digest: str) -> int | None:
    """The restarts of all workers of a model; None where the gateway does not answer, or has no worker of it."""
    try:
        state = http.get(f"{operate}/release").raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return None
    restarts = [int(worker["restarts"]) for worker in state["workers"] if worker["digest"] == digest]
    return sum(restarts) if restarts else None
