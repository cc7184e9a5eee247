"""What a challenger costs: the throughput that is left with a fifth of the traffic on it, or all of it copied."""

import statistics
from contextlib import AbstractContextManager, ExitStack

from benchmarks.result import Figure
from benchmarks.serving.load import Answers, Load, send
from benchmarks.serving.ours import Gateway, gateway, release_root
from benchmarks.serving.plan import CLIENTS, Bench
from healing.release import Mode

CANARY_WEIGHT = 0.2
_ROUNDS = 3
_TRIALS = {"plain": None, "canary": (Mode.CANARY, CANARY_WEIGHT), "shadow": (Mode.SHADOW, 1.0)}


def measure_trials(bench: Bench) -> dict[str, Figure]:
    """Three gateways, loaded in turn: a slow minute of the machine hits all of them, and the median round counts."""
    with ExitStack() as stack:
        gateways = {name: stack.enter_context(_gateway(bench, name)) for name in _TRIALS}
        load = Load(clients=CLIENTS, seconds=bench.plan.point_seconds)
        rounds = [{name: send(each.target, load) for name, each in gateways.items()} for _ in range(_ROUNDS)]
        counts = gateways["shadow"].release()["shadow"]
    return {
        "canary_throughput_share": _share(rounds, "canary"),
        "canary_requests_share": round(float((rounds[-1]["canary"].rung == "challenger").mean()), 3),
        "shadow_throughput_share": _share(rounds, "shadow"),
        "shadow_p99_ratio": round(
            statistics.median(each["shadow"].latency_ms(0.99) / each["plain"].latency_ms(0.99) for each in rounds), 3
        ),
        "shadow_dropped_share": round(counts["dropped"] / max(counts["copied"] + counts["dropped"], 1), 3),
        "trials_requests_failed": sum(answers.failed for each in rounds for answers in each.values()),
    }


def _gateway(bench: Bench, name: str) -> AbstractContextManager[Gateway]:
    folder = bench.folder(f"trial-{name}")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    trial = _TRIALS[name]
    if trial is not None:
        root.trial("next", *trial)
    return gateway(root, folder / "state")


def _share(rounds: list[dict[str, Answers]], name: str) -> float:
    ratios = [each[name].requests_per_second / each["plain"].requests_per_second for each in rounds]
    return round(statistics.median(ratios), 3)
