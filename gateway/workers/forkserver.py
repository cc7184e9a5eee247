"""The warm fork server: imports the model libraries once, then forks a worker in milliseconds instead of seconds.

Run as `python -m gateway.workers.forkserver FD`; on that socket the router asks for workers, one datagram each: JSON
with the model's directory and how to load it, and the worker's end of its own socket beside it.

A worker is forked twice, so that it is an orphan at once and falls to the router, which is the subreaper. The router
then learns how it died, a killed fork server takes no worker with it, and a killed router takes them all: workers ask
the kernel to be killed when their parent dies, which holds also while they hang or are stopped.
"""

import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import time
import traceback

from gateway.workers.memory import FORKSERVER_OOM_SCORE, WORKER_OOM_SCORE, prefer_to_be_killed
from gateway.workers.order import LoadOrder

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_REQUEST_BYTES_MAX = 65_536
WARM = b"warm"  # what the fork server sends once it has imported everything, and forks within milliseconds
PRELOADED = (
    "pandas",
    "skops.io",
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "gateway.workers.model",
)


def preload() -> None:
    """Import what every worker needs."""
    for module in PRELOADED:
        importlib.import_module(module)
    from releases.signing import import_model_signing

    import_model_signing()


def become_subreaper() -> None:
    """Make orphaned descendants of this process its children; called by the router."""
    _control_process(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel send SIGKILL to this process when its parent dies, however that happens."""
    _control_process(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _control_process(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {value}): {os.strerror(number)}")


def run(control: socket.socket) -> None:
    """Fork workers on request until the router hangs up."""
    router = os.getppid()
    die_with_parent()
    prefer_to_be_killed(FORKSERVER_OOM_SCORE)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they may reach the whole group; the router drains, then hangs up
    gc.disable()  # imports make objects that stay: looking for garbage among them takes a tenth of the time
    preload()
    gc.enable()
    control.send(WARM)
    gc.freeze()  # the collector would otherwise write to pages that all workers share
    while True:
        try:
            request, descriptors, _, _ = socket.recv_fds(control, _REQUEST_BYTES_MAX, 1)
        except ConnectionResetError:  # the router hung up before it had read that everything is imported
            return
        if not request:
            return
        channel = socket.socket(fileno=descriptors[0])
        _fork_worker(control, channel, request, router)
        channel.close()


def _fork_worker(control: socket.socket, channel: socket.socket, request: bytes, router: int) -> None:
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    between = os.getpid()
    if os.fork():
        os._exit(0)
    control.close()
    exit_code = 1
    try:
        _wait_for_adoption(between, router)
        _serve(channel, request)
        exit_code = 0
    except (BrokenPipeError, ConnectionResetError):
        exit_code = 0  # the router hung up while an answer was on its way
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stderr.flush()
        os._exit(exit_code)


def _wait_for_adoption(between: int, router: int) -> None:
    """Return as a child of the router that dies with it; the process between them is gone within milliseconds."""
    while os.getppid() == between:
        time.sleep(0.0005)
    die_with_parent()
    if os.getppid() != router:
        os._exit(1)  # the router died first, and who adopted this process is not its router


def _serve(channel: socket.socket, request: bytes) -> None:
    from gateway.workers.model import serve

    prefer_to_be_killed(WORKER_OOM_SCORE)
    serve(channel, *LoadOrder.from_bytes(request))


if __name__ == "__main__":
    run(socket.socket(fileno=int(sys.argv[1])))
