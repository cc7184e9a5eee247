"""Three times more than can be answered, on a schedule that does not care: how much of the capacity is still good.

Requests have a hundred rows, so that it is the models that are overloaded. With one row a request it would be the
machine: at three times the capacity the client needs more than a core for itself, and no server can refuse what it has
no time to read.
"""

from benchmarks.result import Figure
from benchmarks.serving.alone import BATCH_ROWS
from benchmarks.serving.load import Load, send
from benchmarks.serving.ours import gateway, release_root
from benchmarks.serving.plan import Bench
from benchmarks.serving.targets import Target

FACTOR = 3
GOOD_SECONDS = 1.0  # an answer that comes later than this is of no use to a client
_CONNECTIONS = 1000  # enough that the gateway sheds before the client runs out of them
_CAPACITY_CLIENTS = 16  # what saturates it without a queue worth the name


def measure_overload(bench: Bench) -> dict[str, Figure]:
    """Goodput counts answers of 200 by champion or challenger, within a second of when the request was due."""
    folder = bench.folder("overload")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    seconds = bench.plan.point_seconds
    with gateway(root, folder / "state") as served:
        capacity = send(
            served.target, Load(_CAPACITY_CLIENTS, seconds, rows_per_request=BATCH_ROWS)
        ).requests_per_second
        return {"capacity_requests_per_second": round(capacity, 1), **_overload(served.target, capacity, seconds)}


def _overload(target: Target, capacity: float, seconds: float) -> dict[str, Figure]:
    load = Load(
        _CONNECTIONS,
        seconds,
        rows_per_request=BATCH_ROWS,
        rate=FACTOR * capacity,
        warmup_seconds=2,
    )
    answers = send(target, load)
    in_time = answers.good & (answers.ended - answers.due <= GOOD_SECONDS)
    useful = in_time & ~answers.degraded
    return {
        "overload_offered_ratio": round(len(answers.due) / seconds / capacity, 2),
        "overload_goodput_share": round(float(useful.sum()) / seconds / capacity, 3),
        "overload_p99_of_good_ms": round(answers.latency_ms(0.99), 1),
        "overload_shed_share": round(float(((answers.status == 503) | (answers.status == 429)).mean()), 3),
        "overload_degraded_share": round(float(answers.degraded.mean()), 3),
        "overload_unsent_share": round(float(answers.unsent.mean()), 3),
        "overload_broken_share": round(float(answers.broken.mean()), 3),
    }
