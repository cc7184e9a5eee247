"""Does memory stand still: each process's own, over many requests."""

import statistics
from dataclasses import dataclass

import psutil

from benchmarks.result import Figure
from benchmarks.serving.load import Load, send
from benchmarks.serving.ours import Gateway, gateway, release_root
from benchmarks.serving.plan import CLIENTS, Bench

_STEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident bytes of the process with this number; `requests` were answered before."""

    requests: int
    resident: dict[int, int]


def measure_memory(bench: Bench) -> dict[str, Figure]:
    """Resident memory of router, fork server and workers, after each share of the requests.

    Growth is the largest departure of any process from its own first sample, which is taken after the first share:
    buffers and the log's cache are filled by then.
    """
    folder = bench.folder("memory")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    with gateway(root, folder / "state") as served:
        samples = _samples(bench, served)
        router = served.server.pid
    first = samples[0].resident
    departures = {
        pid: max(abs(sample.resident.get(pid, 0) - bytes_first) / bytes_first for sample in samples)
        for pid, bytes_first in first.items()
    }
    return {
        "memory_requests": samples[-1].requests,
        "memory_router_mib_median": round(statistics.median(s.resident[router] for s in samples) / 2**20, 1),
        "memory_router_change_share": round(departures.pop(router), 4),
        "memory_other_processes_change_share": round(max(departures.values()), 4),
    }


def _samples(bench: Bench, served: Gateway) -> list[Sample]:
    share = bench.plan.memory_requests / bench.plan.memory_samples
    samples: list[Sample] = []
    answered = 0
    while len(samples) < bench.plan.memory_samples:
        load = Load(CLIENTS, _STEP_SECONDS, warmup_seconds=0)
        answered += int(send(served.target, load).good.sum())
        if answered >= share * (len(samples) + 1):
            samples.append(Sample(answered, _resident(served.server.tree())))
    return samples


def _resident(tree: list[psutil.Process]) -> dict[int, int]:
    return {process.pid: process.memory_info().rss for process in tree}
