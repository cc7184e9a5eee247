"""The same three questions to every server: many clients, one client, many rows."""

from benchmarks.result import Figure
from benchmarks.serving.alone import BATCH_ROWS
from benchmarks.serving.load import Answers, Load, rows_per_second, send
from benchmarks.serving.plan import CLIENTS, Bench
from benchmarks.serving.processes import Running
from benchmarks.serving.targets import Target
from healing.errors import Refused

CLIENTS_OF_MANY_ROWS = 4  # enough to keep the model busy while answers are on their way


class AnswersWrong(Refused):
    """A server answered something that the model does not: its speed means nothing."""


def measure_throughput(bench: Bench, server: Running, target: Target) -> dict[str, Figure]:
    """Figures of one server that is already warm."""
    seconds = bench.plan.point_seconds
    before = server.cpu_seconds()
    many = _right(bench, target, Load(clients=CLIENTS, seconds=seconds))
    busy = server.cpu_seconds() - before
    alone = _right(bench, target, Load(clients=1, seconds=seconds))
    batches = _right(bench, target, Load(clients=CLIENTS_OF_MANY_ROWS, seconds=seconds, rows_per_request=BATCH_ROWS))
    return {
        "requests_per_second": round(many.requests_per_second, 1),
        "p50_ms": round(many.latency_ms(0.5), 2),
        "p99_ms": round(many.latency_ms(0.99), 2),
        "requests_failed": many.failed + alone.failed + batches.failed,
        "cores_used": round(busy / (seconds + 1), 2),
        "one_client_p50_ms": round(alone.latency_ms(0.5), 2),
        "batch_rows_per_second": round(rows_per_second(batches), 1),
    }


def _right(bench: Bench, target: Target, load: Load) -> Answers:
    answers = send(target, load)
    share = answers.check(target, bench.expected)
    if share < 1:
        raise AnswersWrong(
            f"{target.name} should answer as the model does, found {share:.1%} of {len(answers.samples)} sampled "
            f"answers right ({answers.failed} requests failed); look at its log"
        )
    return answers
