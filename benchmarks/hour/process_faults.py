"""Faults of the gateway's processes: workers and the fork server are killed or stopped, a second gateway is started."""

import subprocess

import psutil

from benchmarks.hour.stage import Stage, Unexpected
from benchmarks.serving.ours import gateway_command

_SECOND_SECONDS_MAX = 120.0  # until a second gateway has imported what it needs, and found the lock


def kill_champion(stage: Stage) -> None:
    stage.worker("champion").kill()


def stop_champion(stage: Stage) -> None:
    """The worker hangs; the gateway kills it."""
    stage.worker("champion").suspend()


def kill_both_workers(stage: Stage) -> None:
    """For a moment only the baseline can answer."""
    for role in ("champion", "fallback"):
        stage.worker(role).kill()


def stop_fork_server(stage: Stage) -> None:
    """A worker is killed while the fork server hangs, so the gateway has to replace the fork server."""
    stopped = stage.fork_server
    stopped.suspend()
    stage.worker("champion").kill()
    stage.wait(lambda: not _runs(stopped), "the stopped fork server to be replaced")


def kill_fork_server(stage: Stage) -> None:
    stage.fork_server.kill()
    stage.worker("champion").kill()


def start_second_gateway(stage: Stage) -> None:
    """A second gateway on the same state directory has to refuse to start."""
    command = [*gateway_command(stage.root, stage.state_dir), "--port", "0", "--operate-port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=_SECOND_SECONDS_MAX, check=False)
    if ended.returncode != 1 or "another gateway" not in ended.stderr:
        raise Unexpected(f"expected a second gateway to exit with 1, found {ended.returncode}: {ended.stderr[-300:]}")


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
