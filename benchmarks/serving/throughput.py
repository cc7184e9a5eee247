"""The same three questions to every server: many clients, one client, many rows.

All servers run at the same time and are loaded in turn, in rounds. A ratio within a round compares two servers in the
same minute of the same machine; the ratio of two measurements that lie minutes apart follows the machine's other work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

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


@dataclass(frozen=True)
class Served:
    """A server that is already warm."""

    server: Running
    target: Target


@dataclass(frozen=True, slots=True)
class Round:
    """What one server did with many clients in one round."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    cores_used: float


def measure_throughput(bench: Bench, servers: Mapping[str, Served]) -> tuple[dict[str, dict[str, Figure]], "Rounds"]:
    """Figures of each server, as medians over the rounds, and the rounds themselves."""
    rounds = measure_rounds(bench, servers)
    return {name: _figures(bench, served, rounds[name]) for name, served in servers.items()}, rounds


Rounds = Mapping[str, Sequence[Round]]


def measure_rounds(bench: Bench, servers: Mapping[str, Served]) -> Rounds:
    """Load each server in turn with many clients, in every other round in the opposite order."""
    rounds: dict[str, list[Round]] = {name: [] for name in servers}
    for number in range(bench.plan.rounds):
        for name in list(servers)[:: 1 if number % 2 == 0 else -1]:
            rounds[name].append(_measure_many(bench, servers[name]))
    return rounds


def ratios_over(rounds: Rounds, ours: str, other: str) -> dict[str, Figure]:
    """How many times as fast one server is as another: the median of the rounds, the least and the most."""
    pairs = list(zip(rounds[ours], rounds[other], strict=True))
    speeds = [mine.requests_per_second / theirs.requests_per_second for mine, theirs in pairs]
    return {
        f"requests_per_second_over_{other}": round(median(speeds), 4),
        f"requests_per_second_over_{other}_least": round(min(speeds), 4),
        f"requests_per_second_over_{other}_most": round(max(speeds), 4),
        f"p99_over_{other}": round(median(mine.p99_ms / theirs.p99_ms for mine, theirs in pairs), 4),
    }


def _measure_many(bench: Bench, served: Served) -> Round:
    seconds = bench.plan.point_seconds
    before = served.server.cpu_seconds()
    answers = _right(bench, served.target, Load(clients=CLIENTS, seconds=seconds))
    busy = served.server.cpu_seconds() - before
    return Round(
        requests_per_second=answers.requests_per_second,
        p50_ms=answers.latency_ms(0.5),
        p99_ms=answers.latency_ms(0.99),
        failed=answers.failed,
        cores_used=busy / (seconds + 1),
    )


def _figures(bench: Bench, served: Served, rounds: Sequence[Round]) -> dict[str, Figure]:
    seconds, target = bench.plan.point_seconds, served.target
    alone = _right(bench, target, Load(clients=1, seconds=seconds))
    batches = _right(bench, target, Load(clients=CLIENTS_OF_MANY_ROWS, seconds=seconds, rows_per_request=BATCH_ROWS))
    return {
        "requests_per_second": round(median(each.requests_per_second for each in rounds), 1),
        "p50_ms": round(median(each.p50_ms for each in rounds), 2),
        "p99_ms": round(median(each.p99_ms for each in rounds), 2),
        "rounds": len(rounds),
        "requests_failed": sum(each.failed for each in rounds) + alone.failed + batches.failed,
        "cores_used": round(median(each.cores_used for each in rounds), 2),
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
