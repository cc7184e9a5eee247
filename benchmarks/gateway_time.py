"""Where the gateway's processor time goes, per request of one row, beside the model's own.

    python -m benchmarks.gateway_time [--quick]

64 clients ask a gateway with everything on, in rounds; its threads and processes are measured by the kernel. What the
parts of an answer need alone is measured afterwards, in batches as large as the gateway had. Takes two minutes,
`--quick` half a minute.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from benchmarks.result import Comparison, Figure, Result, finish
from benchmarks.serving.flights import build_world
from benchmarks.serving.load import Load, send
from benchmarks.serving.ours import Gateway, gateway, release_root
from benchmarks.serving.parts import MODEL_ROWS, Parts, measure_parts
from benchmarks.serving.plan import CLIENTS

ROUNDS, ROUNDS_QUICK = 7, 3
_SECONDS, _SECONDS_QUICK = 10.0, 4.0
_TICKS = os.sysconf("SC_CLK_TCK")  # per second, in which the kernel counts processor time
GOALS: dict[str, tuple[Comparison, float]] = {"processor_over_model_alone": ("<=", 2.5)}


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of processor time so far: of the router's event loop, of its other threads, and of the worker."""

    loop: float
    threads: float
    worker: float

    @classmethod
    def of(cls, served: Gateway) -> "Spent":
        pid = served.server.pid
        of_thread = {task.name: _seconds(task / "stat") for task in Path(f"/proc/{pid}/task").iterdir()}
        loop = of_thread.pop(str(pid))
        router = _seconds(Path(f"/proc/{pid}/stat"))  # with the threads that have ended
        return cls(loop, router - loop, _seconds(Path(f"/proc/{served.worker_pid()}/stat")))

    def per_request(self, before: "Spent", requests: int) -> "Spent":
        """Milliseconds per request since `before`."""
        share = 1000 / requests
        return Spent(
            share * (self.loop - before.loop),
            share * (self.threads - before.threads),
            share * (self.worker - before.worker),
        )


def _seconds(stat: Path) -> float:
    """User and system time of a process or thread; 0 when it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def measure(rounds: int, seconds: float) -> dict[str, Figure]:
    """Medians over the rounds, after one that warms the gateway."""
    world = build_world()
    found: list[Spent] = []
    with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as scratch:
        root = release_root(world, Path(scratch) / "releases")
        root.bootstrap()
        with gateway(root, Path(scratch) / "state") as served:
            for _ in range(rounds + 1):
                before, batches = Spent.of(served), _batches(served)
                answers = send(served.target, Load(CLIENTS, seconds, warmup_seconds=0.0))
                requests = int(answers.good.sum())
                found.append(Spent.of(served).per_request(before, requests))
                rows = requests / (_batches(served) - batches)
                print(f"{requests} requests, {rows:.1f} per batch: {found[-1]}", file=sys.stderr, flush=True)
    counted = found[1:]
    typical = Spent(
        median(spent.loop for spent in counted),
        median(spent.threads for spent in counted),
        median(spent.worker for spent in counted),
    )
    return figures_of(typical, measure_parts(max(1, round(rows))), round(rows, 1))


def _batches(served: Gateway) -> int:
    """How many batches the champion has answered."""
    url = f"http://{served.target.host}:{served.target.port}/v2/models/flights/stats"
    champion = served.target.world.versions["champion"]
    models = httpx.get(url, timeout=30).raise_for_status().json()["model_stats"]
    return int(next(model["execution_count"] for model in models if model["version"] == champion))


def figures_of(spent: Spent, parts: Parts, batch_rows: float) -> dict[str, Figure]:
    """Figures by process and by part; the parts of `Parts` and the rest together are the whole."""
    total = spent.loop + spent.threads + spent.worker
    known = parts.model + parts.read + parts.queue + parts.pipe + parts.log
    figures = {
        "router_loop_ms": spent.loop,
        "router_threads_ms": spent.threads,
        "worker_ms": spent.worker,
        "processor_ms_per_request": total,
        "part_model_ms": parts.model,
        "part_read_ms": parts.read,
        "part_queue_ms": parts.queue,
        "part_pipe_ms": parts.pipe,
        "part_log_ms": parts.log,
        "part_router_ms": total - known,
        "model_alone_ms_per_row": parts.model_alone,
        "model_alone_rows_per_batch": float(MODEL_ROWS),
        "requests_per_batch": batch_rows,
        "processor_over_model_alone": total / parts.model_alone,
    }
    return {name: round(value, 4) for name, value in figures.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    quick = parser.parse_args().quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended as on Ctrl-C
    figures = measure(ROUNDS_QUICK, _SECONDS_QUICK) if quick else measure(ROUNDS, _SECONDS)
    result = Result("gateway_time", figures, goals=GOALS)
    return finish(result)


if __name__ == "__main__":
    sys.exit(main())
