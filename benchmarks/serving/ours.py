"""The gateway under test, with everything on: prediction log, guards, a fallback kept warm."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.serving.load import wait_for_answer
from benchmarks.serving.processes import Running, Wrap, free_port, running
from benchmarks.serving.targets import GATEWAY, Target
from benchmarks.serving.world import World
from healing.release import Challenger, Mode, Reason, Release
from releases.log import ReleaseLog, promotion_of, trial_of
from releases.store import ModelStore

START_SECONDS_MAX = 120.0  # imports alone take most of a minute on a crowded machine


@dataclass(frozen=True)
class ReleaseRoot:
    """A release root of this run's own, over copies of the world's models."""

    world: World
    path: Path

    @property
    def log(self) -> ReleaseLog:
        return ReleaseLog(self.path)

    def bootstrap(self, champion: str = "champion", fallback: str = "fallback") -> None:
        self._append(
            Release(
                generation=1,
                created_at=datetime.now(UTC),
                pipeline="flights",
                author="benchmark",
                reason=Reason.BOOTSTRAP,
                champion=self.world.model(champion),
                baseline=self.world.baseline,
                fallbacks=(self.world.model(fallback),),
            )
        )

    def trial(self, challenger: str, mode: Mode, weight: float) -> Release:
        named = Challenger(self.world.model(challenger), mode, weight)
        return self._append(trial_of(self._current(), named, author="benchmark", now=datetime.now(UTC)))

    def promote(self) -> Release:
        return self._append(promotion_of(self._current(), author="benchmark", now=datetime.now(UTC)))

    def _current(self) -> Release:
        current = self.log.current()
        assert current is not None, "bootstrap first"
        return current

    def _append(self, release: Release) -> Release:
        self.log.append(release)
        return release


def release_root(world: World, path: Path) -> ReleaseRoot:
    """A release root at `path` with every model of the world, and no release yet."""
    store = ModelStore(world.folder)
    for digest in world.digests.values():
        store.copy_to(digest, path / "models")
    return ReleaseRoot(world, path)


@dataclass(frozen=True)
class Gateway:
    server: Running
    target: Target
    operate_url: str

    def release(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.operate_url}/release", timeout=30).json()
        return state

    def worker_pid(self, role: str = "champion") -> int:
        """The process that answers for this role; AssertionError when there is none now."""
        pids = [w["pid"] for w in self.release()["workers"] if w["role"] == role and w["state"] == "ready"]
        assert pids, f"no ready {role}: {self.release()['workers']}"
        return int(pids[0])

    def wait_for_generation(self, generation: int, seconds: float = START_SECONDS_MAX) -> None:
        """Until this release is on duty with all its workers ready; TimeoutError when that never comes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = self.release()
            if state["active_generation"] >= generation and all(w["state"] == "ready" for w in state["workers"]):
                return
            time.sleep(0.02)
        raise TimeoutError(f"generation {generation} is not on duty within {seconds} s: {self.release()}")


def gateway_command(root: ReleaseRoot, state_dir: Path) -> list[str]:
    """Starts a gateway on this root; without its ports."""
    return [
        *(sys.executable, "-m", "gateway", "--pipeline", "flights", "--release-root", str(root.path)),
        *("--public-key", str(root.world.public_key), "--state-dir", str(state_dir)),
    ]


@contextmanager
def gateway(root: ReleaseRoot, state_dir: Path, wrap: Wrap = tuple) -> Iterator[Gateway]:
    """A gateway that serves the root's newest release, answering and with its fallback warm."""
    with starting(root, state_dir, wrap) as started:
        wait_for_answer(started.target, START_SECONDS_MAX, started.server.process)
        started.wait_for_generation(root.log.latest_generation())
        yield started


@contextmanager
def starting(root: ReleaseRoot, state_dir: Path, wrap: Wrap = tuple) -> Iterator[Gateway]:
    """The same, but not waited for; its command runs inside of what `wrap` makes of it."""
    port, operate_port = free_port(), free_port()
    command = [*gateway_command(root, state_dir), "--port", str(port), "--operate-port", str(operate_port)]
    with running(wrap(command), state_dir.with_suffix(".log")) as server:
        yield Gateway(server, Target("gateway", port, GATEWAY, root.world), f"http://127.0.0.1:{operate_port}")
