"""The gateway that the faults strike: its processes, its release root, its directories, and its rest between faults."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.serving.ours import Gateway, ReleaseRoot
from benchmarks.serving.world import World
from healing.errors import Refused
from healing.release import Challenger, Mode, ModelRef, Release
from releases.log import return_of, trial_of

REST_SECONDS_MAX = 90.0  # a fork server that hangs is replaced after 10 s, and the new one imports for seconds
AUTHOR = "benchmark"


class Unexpected(Refused):
    """The gateway answered a fault in a way that it should not, or did not recover from it."""


@dataclass(frozen=True)
class Stage:
    """One gateway with a champion, a fallback, and a model that is put on trial now and then."""

    world: World
    root: ReleaseRoot
    gateway: Gateway
    state_dir: Path
    champion: ModelRef
    fallback: ModelRef

    @property
    def router(self) -> psutil.Process:
        return psutil.Process(self.gateway.server.pid)

    @property
    def fork_server(self) -> psutil.Process:
        """The fork server that runs now; Unexpected where there is none. Workers have its command line, too."""
        workers = {worker["pid"] for worker in self.gateway.release()["workers"]}
        for child in self.router.children():
            if child.pid not in workers and "gateway.workers.forkserver" in child.cmdline():
                return child
        raise Unexpected(f"expected a fork server below {self.router.pid}, found none")

    def worker(self, role: str) -> psutil.Process:
        return psutil.Process(self.gateway.worker_pid(role))

    def post(self, content: bytes, seconds: float = 60.0, **headers: str) -> httpx.Response:
        """One request of a client of its own; names of headers with underscores for hyphens."""
        named = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return httpx.post(self.gateway.target.url, content=content, headers=named, timeout=seconds)

    def current(self) -> Release:
        release = self.root.log.current()
        assert release is not None, "the stage has a release"
        return release

    def put_on_trial(self, model: str, weight: float) -> Release:
        """Start a canary of this model of the world, and lift its fence where it has one."""
        current, challenger = self.current(), Challenger(self.world.model(model), Mode.CANARY, weight)
        fenced = current.fence_of(challenger.model.digest) is not None
        release = trial_of(
            current, challenger, author=AUTHOR, now=datetime.now(UTC), unfenced_by=AUTHOR if fenced else None
        )
        self.root.log.append(release)
        return release

    def restore_champion(self) -> None:
        """Make the stage's champion serve again, with its fallback and without a trial."""
        current = self.current()
        if current.champion != self.champion:
            back = return_of(current, self.champion, current.baseline, author=AUTHOR, now=datetime.now(UTC))
            self.root.log.append(replace(back, fallbacks=(self.fallback,)))

    def wait(self, holds: Callable[[], bool], what: str, seconds: float = REST_SECONDS_MAX) -> None:
        """Return once `holds` is true; Unexpected after `seconds`."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise Unexpected(f"expected {what} within {seconds:.0f} s, found {self.summary()}")
            time.sleep(0.1)

    def wait_for_rest(self) -> None:
        """Return once the newest release is active, all its workers are ready, and no problem is reported."""
        newest = self.root.log.latest_generation()
        self.wait(lambda: self._rests(newest), "a gateway without a problem")

    def _rests(self, generation: int) -> bool:
        state = self.gateway.release()
        ready = {worker["state"] for worker in state["workers"]} == {"ready"}
        retired = {worker["digest"] for worker in state["workers"]} == {self.champion.digest, self.fallback.digest}
        return state["active_generation"] == generation and ready and retired and not state["problems"]

    def summary(self) -> dict[str, Any]:
        """What of the gateway's state a message about it needs."""
        state = self.gateway.release()
        workers = [f"{worker['role']} {worker['state']}" for worker in state["workers"]]
        return {
            "generation": state["active_generation"],
            "workers": workers,
            "problems": [f"{problem['code']}: {problem['message']}" for problem in state["problems"]],
        }
