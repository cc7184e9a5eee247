"""What is done to a server, the same to each: its worker killed or stopped, a row that crashes it, all of it killed."""

import contextlib
import http.client
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.serving.ours import Gateway
from benchmarks.serving.peers import Peer
from benchmarks.serving.processes import Running
from benchmarks.serving.targets import Target

_SPAWNED = "spawn_main"  # stands in the command of every process that Python's multiprocessing has spawned
_POISON_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Victim:
    """A server under its supervisor, and how to find the process that answers."""

    server: Running
    target: Target
    worker: Callable[[], psutil.Process]

    @staticmethod
    @contextmanager
    def of_gateway(starting: AbstractContextManager[Gateway]) -> Iterator["Victim"]:
        with starting as gateway:
            yield Victim(gateway.server, gateway.target, lambda: psutil.Process(gateway.worker_pid()))

    @staticmethod
    @contextmanager
    def of_peer(starting: AbstractContextManager[Peer]) -> Iterator["Victim"]:
        with starting as peer:
            yield Victim(peer.server, peer.target, lambda: _busiest_worker(peer.server))


Fault = Callable[[Victim], None]


def kill_worker(victim: Victim) -> None:
    victim.worker().kill()


def stop_worker(victim: Victim) -> None:
    """It hangs, and nothing closes: the fault that health checks of processes do not see."""
    victim.worker().suspend()


def send_crashing_row(victim: Victim) -> None:
    """One request, whatever becomes of it; what counts is what becomes of the others."""
    target = victim.target
    body = target.protocol.encode(target.world, [target.world.poison_row()], target.world.keys[:1])
    connection = http.client.HTTPConnection(target.host, target.port, timeout=_POISON_TIMEOUT_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("POST", target.protocol.path, body, {"content-type": "application/json"})
        connection.getresponse().read()


def kill_server(victim: Victim) -> None:
    """Every process of it at once, as a container's end does; its supervisor lives and starts it again."""
    _, *server = victim.server.tree()
    for process in server:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


FAULTS: dict[str, Fault] = {
    "worker_killed": kill_worker,
    "worker_stopped": stop_worker,
    "crashing_row": send_crashing_row,
    "server_killed": kill_server,
}


def _busiest_worker(server: Running) -> psutil.Process:
    """Of the spawned processes the one that has worked most: the others track resources."""
    spawned = [process for process in server.tree() if _SPAWNED in " ".join(process.cmdline())]
    assert spawned, f"no worker process below {server.pid}:\n{server.tail()}"
    return max(spawned, key=lambda process: process.cpu_times().user)
