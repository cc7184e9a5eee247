"""What requests of ten thousand rows, one after the other, cost the clients that send single rows."""

import statistics
from dataclasses import replace

from benchmarks.result import Figure
from benchmarks.serving.load import Answers, Load, send, sending
from benchmarks.serving.ours import gateway, release_root
from benchmarks.serving.plan import CLIENTS, Bench
from benchmarks.serving.targets import Target

ROWS = 10_000
_TIMEOUT_SECONDS = 60.0  # of a large request: it waits its turn among single rows


def measure_large_request(bench: Bench) -> dict[str, Figure]:
    """In each round: single rows by 64 clients alone, then beside a client that always has a large request open."""
    folder = bench.folder("large-request")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    single = Load(CLIENTS, bench.plan.point_seconds)
    with gateway(root, folder / "state") as served:
        rounds = [(send(served.target, single), *_beside(served.target, single)) for _ in range(bench.plan.rounds)]
    ratios = [beside.latency_ms(0.99) / before.latency_ms(0.99) for before, beside, _ in rounds]
    return {
        "large_request_p99_ratio": round(statistics.median(ratios), 3),
        "large_request_p99_ratio_least": round(min(ratios), 3),
        "large_request_p99_ratio_most": round(max(ratios), 3),
        "large_request_singles_degraded": sum(int(beside.degraded.sum()) for _, beside, _ in rounds),
        "large_request_degraded": sum(int(large.degraded.sum()) for _, _, large in rounds),
        "large_request_failed": sum(answers.failed for each in rounds for answers in each),
        "large_requests_answered": sum(int(large.good.sum()) for _, _, large in rounds),
        "large_request_rows_per_second": round(
            statistics.median(large.requests_per_second * ROWS for _, _, large in rounds), 1
        ),
    }


def _beside(target: Target, single: Load) -> tuple[Answers, Answers]:
    """Answers to single rows, and to the large requests beside them."""
    large = Load(1, single.seconds, rows_per_request=ROWS, timeout_seconds=_TIMEOUT_SECONDS)
    with sending(_with_rows(target, ROWS), large) as running:
        singles = send(target, single)
        return singles, running.finish()


def _with_rows(target: Target, rows: int) -> Target:
    """The target with the world's rows repeated, under keys of their own, until there are at least this many."""
    world = target.world
    times = -(-rows // len(world.rows))
    keys = [f"{key}-{n}" for n in range(times) for key in world.keys]
    return replace(target, world=replace(world, rows=world.rows * times, keys=keys))
