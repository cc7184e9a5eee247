"""A gateway is upgraded, then killed, under load: what its clients notice while a standby takes over."""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.result import Figure
from benchmarks.serving.load import Answers, Load, sending, wait_for_answer
from benchmarks.serving.ours import START_SECONDS_MAX, ReleaseRoot, gateway_command, release_root
from benchmarks.serving.plan import Bench
from benchmarks.serving.processes import Running, running
from benchmarks.serving.targets import GATEWAY, Target

CLIENTS = 16
_LEAD_SECONDS, _AFTER_SECONDS = 2.0, 6.0
_STANDBY_READY = "gateway_standby_ready"


def measure_hand_over(bench: Bench) -> dict[str, Figure]:
    """Failed requests of an upgrade; refused, lost and slow ones of a kill. A closed loop of 16 clients."""
    folder = bench.folder("hand-over")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    with (
        socket.create_server(("127.0.0.1", 0), backlog=2048) as predict,
        socket.create_server(("127.0.0.1", 0)) as operate,
        ExitStack() as stack,
    ):
        target = Target("gateway", predict.getsockname()[1], GATEWAY, bench.world)
        gateways = [_start(stack, root, folder, 0, (predict, operate))]
        wait_for_answer(target, START_SECONDS_MAX, gateways[0].process)
        figures: dict[str, Figure] = {}
        for number, (name, end) in enumerate({"upgrade": signal.SIGTERM, "killed": signal.SIGKILL}.items(), start=1):
            gateways.append(_start(stack, root, folder, number, (predict, operate)))
            _wait_for_standby(gateways[number])
            struck, answers = _under_load(target, gateways[number - 1], end)
            figures |= {f"{name}_{figure}": value for figure, value in _figures(answers, struck).items()}
        return figures


def _start(stack: ExitStack, root: ReleaseRoot, folder: Path, number: int, sockets: Sequence[socket.socket]) -> Running:
    predict, operate = (listener.fileno() for listener in sockets)
    options = ("--standby", "--predict-fd", str(predict), "--operate-fd", str(operate))
    command = [*gateway_command(root, folder / "state"), *options]
    return stack.enter_context(running(command, folder / f"{number}.log", descriptors=(predict, operate)))


def _wait_for_standby(standby: Running) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while _STANDBY_READY not in standby.log.read_text():
        if time.monotonic() > deadline or standby.process.poll() is not None:
            raise TimeoutError(f"the standby is not ready within {START_SECONDS_MAX} s:\n{standby.tail()}")
        time.sleep(0.02)


def _under_load(target: Target, server: Running, end: signal.Signals) -> tuple[float, Answers]:
    """When the server was ended, in the middle of a load, and the answers."""
    load = Load(CLIENTS, _LEAD_SECONDS + _AFTER_SECONDS, warmup_seconds=1.0)
    with sending(target, load) as sent:
        time.sleep(load.warmup_seconds + _LEAD_SECONDS)  # load of this length, not a condition
        struck = time.monotonic()
        server.process.send_signal(end)
        waiting = threading.Thread(target=_reap, args=(server.process,))
        waiting.start()
        answers = sent.finish()
        waiting.join()
    return struck, answers


def _reap(process: "subprocess.Popen[bytes]") -> None:
    process.wait(START_SECONDS_MAX)


def _figures(answers: Answers, struck: float) -> dict[str, Figure]:
    """From the signal on. `back_seconds` is the time until a request that was sent after it is answered."""
    after = answers.due >= struck
    back = answers.ended[answers.good & after]
    return {
        "requests_failed": answers.failed,
        "connections_refused": answers.refused,
        "back_seconds": round(float(back.min()) - struck, 3) if back.size else None,
        "worst_request_ms": round(float((answers.ended - answers.due)[answers.good].max()) * 1000, 1),
    }
