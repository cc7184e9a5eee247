"""A machine whose processors or memory others use as well: burners at a low priority, or memory that is held.

Both are bounded. Burners are nicer than the stack, and the memory is a share of what is available, of which a part is
always left; its holder is the process that the kernel would end first.
"""

import os
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.agents.agent import Agent
from chaos.lab import Lab

__all__ = ["BusyProcessors", "HeldMemory", "prepare_burners", "prepare_memory"]

NICENESS = 5
BURNERS_PER_CORE = 2
USED_SECONDS_MIN = 0.5  # of processor time, by all burners
MEMORY_SHARE = 0.5  # of what is available
MEMORY_BYTES_MAX = 4 * 2**30
LEFT_SHARE = 0.2  # of the machine: a gateway and a healer report pressure below 3 %
HELD_SHARE_MIN = 0.9  # of what was asked for


class BusyProcessors(BaseModel):
    """An agent whose children compute without a pause."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["busy_processors"] = "busy_processors"
    agent: Agent
    processes: int

    @property
    def title(self) -> str:
        return f"{self.processes} processes compute"

    def inject(self) -> None:
        """Start the agent."""
        self.agent.start()

    def undo(self) -> None:
        """End the agent and its children."""
        process = self.agent.find()
        children = [] if process is None else process.children()
        self.agent.end()
        for child in children:
            if child.is_running():
                child.kill()

    def active(self) -> bool:
        """Whether every child runs, and the kernel has given them processor time."""
        process = self.agent.find()
        if process is None:
            return False
        try:
            used = [sum(child.cpu_times()[:2]) for child in process.children()]
        except psutil.NoSuchProcess:
            return False
        return len(used) == self.processes and sum(used) >= USED_SECONDS_MIN


class HeldMemory(BaseModel):
    """An agent that holds memory."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["held_memory"] = "held_memory"
    agent: Agent
    bytes_wanted: int

    @property
    def title(self) -> str:
        return f"{self.bytes_wanted // 2**20} MiB of memory are held"

    def inject(self) -> None:
        """Start the agent."""
        self.agent.start()

    def undo(self) -> None:
        """End the agent."""
        self.agent.end()

    def active(self) -> bool:
        """Whether the kernel counts the memory as that of the agent."""
        process = self.agent.find()
        try:
            return process is not None and process.memory_info().rss >= HELD_SHARE_MIN * self.bytes_wanted
        except psutil.NoSuchProcess:
            return False


def prepare_burners(lab: Lab, seconds_max: float) -> BusyProcessors:
    """BURNERS_PER_CORE processes per core."""
    processes = BURNERS_PER_CORE * (os.cpu_count() or 1)
    arguments = (str(processes), str(NICENESS))
    return BusyProcessors(agent=_agent(lab, "burn_cpu", arguments, seconds_max), processes=processes)


def prepare_memory(lab: Lab, seconds_max: float) -> HeldMemory:
    """MEMORY_SHARE of what is available, of which LEFT_SHARE of the machine stay available. LookupError without."""
    memory = psutil.virtual_memory()
    left = int(LEFT_SHARE * memory.total)
    wanted = min(int(MEMORY_SHARE * memory.available), MEMORY_BYTES_MAX, memory.available - left)
    if wanted <= 0:
        raise LookupError(f"expected more than {left // 2**20} MiB of available memory, found too little to hold any")
    arguments = (str(wanted), str(left))
    return HeldMemory(agent=_agent(lab, "hold_memory", arguments, seconds_max), bytes_wanted=wanted)


def _agent(lab: Lab, module: str, arguments: tuple[str, ...], seconds_max: float) -> Agent:
    keep_file = lab.leases / f"{module}.keep"
    return Agent(module=module, arguments=arguments, keep_file=keep_file, seconds_max=seconds_max)
