"""What the gateway costs and keeps, beside what a user would take instead: one run, one machine, one model.

    python -m benchmarks.gateway [--quick] [--no-peers] [--only NAME …]

The gateway runs with everything on: prediction log, guards, a fallback kept warm. Peers are installed from
`requirements/peers/` on first use. Takes ten minutes, `--quick` a few; `--only` measures parts and
keeps no result. Exits 1 when a goal was missed.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.result import Comparison, Figure, Result, keep
from benchmarks.serving import peers
from benchmarks.serving.alone import measure_alone
from benchmarks.serving.flights import build_world
from benchmarks.serving.hand_over import measure_hand_over
from benchmarks.serving.memory import measure_memory
from benchmarks.serving.ours import gateway, release_root
from benchmarks.serving.overload import measure_overload
from benchmarks.serving.plan import FULL, QUICK, Bench, Plan
from benchmarks.serving.start import measure_start
from benchmarks.serving.switch import measure_switch
from benchmarks.serving.throughput import measure_throughput
from benchmarks.serving.trials import measure_trials
from benchmarks.serving.two_routers import measure_two_routers

Figures = Mapping[str, Figure]

PEERS: dict[str, peers.Start] = {
    "mlflow": peers.mlflow_serve,
    "mlserver": peers.mlserver,
    "litserve": peers.litserve,
    "bentoml": peers.bentoml,
}
BATCHING = ("mlserver", "litserve", "bentoml")

GOALS: dict[str, tuple[Comparison, float]] = {
    "requests_per_second_over_mlflow": (">=", 50),
    "requests_per_second_over_best_batching_peer": (">=", 5),
    "p99_over_mlflow": ("<=", 0.04),
    "one_client_p50_over_model_alone": ("<=", 1.25),
    "batch_rows_per_second_over_model_alone": (">=", 0.8),
    "canary_throughput_share": (">=", 0.85),
    "shadow_throughput_share": (">=", 0.45),
    "switch_requests_failed": ("==", 0),
    "switch_answers_wrong": ("==", 0),
    "switch_worst_request_ms": ("<=", 250),
    "switch_to_first_answer_seconds": ("<=", 1),
    "overload_goodput_share": (">=", 0.9),
    "start_from_cache_to_first_answer_seconds": ("<=", 2),
    "upgrade_requests_failed": ("==", 0),
    "killed_connections_refused": ("==", 0),
    "killed_back_seconds": ("<=", 1),
    "memory_router_change_share": ("<=", 0.05),
    "memory_other_processes_change_share": ("<=", 0.05),
    "two_routers_per_core_ratio": (">=", 1),
    "release_reaches_both_seconds": ("<=", 1),
    "abort_reaches_other_seconds": ("<=", 1),
}


def measure_ours(bench: Bench) -> dict[str, Figure]:
    """The gateway's own throughput, and the model's alone just before it."""
    folder = bench.folder("throughput")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    alone = measure_alone(bench.plan.point_seconds)
    with gateway(root, folder / "state") as served:
        figures = measure_throughput(bench, served.server, served.target)
    return {
        **figures,
        "model_alone_p50_ms": round(alone.predict_p50_ms, 3),
        "model_alone_rows_per_second": round(alone.rows_per_second, 1),
        "one_client_p50_over_model_alone": _ratio(figures["one_client_p50_ms"], alone.predict_p50_ms),
        "batch_rows_per_second_over_model_alone": _ratio(figures["batch_rows_per_second"], alone.rows_per_second),
    }


def measure_peers(bench: Bench) -> dict[str, Figures]:
    """The same figures of each peer."""
    found: dict[str, Figures] = {}
    for name, start in PEERS.items():
        with start(peers.Launch(bench.world, bench.folder(name))) as peer:
            found[name] = measure_throughput(bench, peer.server, peer.target)
        _say(name, found[name])
    return found


def over_peers(ours: Figures, found: Mapping[str, Figures]) -> dict[str, Figure]:
    """The gateway against each peer, as ratios of the same run."""
    speed = "requests_per_second"
    best = max(BATCHING, key=lambda name: float(found[name][speed] or 0))
    return {
        "best_batching_peer": best,
        "requests_per_second_over_best_batching_peer": _ratio(ours[speed], found[best][speed]),
        **{f"requests_per_second_over_{name}": _ratio(ours[speed], each[speed]) for name, each in found.items()},
        **{f"p99_over_{name}": _ratio(ours["p99_ms"], each["p99_ms"]) for name, each in found.items()},
    }


PARTS: dict[str, Callable[[Bench], Figures]] = {
    "throughput": measure_ours,
    "trials": measure_trials,
    "switch": measure_switch,
    "overload": measure_overload,
    "start": measure_start,
    "hand_over": measure_hand_over,
    "two_routers": measure_two_routers,
    "memory": measure_memory,
}


def run(plan: Plan, only: Sequence[str], *, with_peers: bool) -> Result:
    """Measure everything, or the parts named in `only`."""
    world = build_world()
    figures: dict[str, Figure] = {}
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as scratch:
        bench = Bench(plan, world, world.answers("champion"), Path(scratch))
        for name, measure in PARTS.items():
            if only and name not in only:
                continue
            part = measure(bench)
            figures |= part
            _say(name, part)
            if name == "throughput" and with_peers:
                found = measure_peers(bench)
                figures |= over_peers(part, found)
    return Result(name="gateway", figures=figures, goals=GOALS, peers=found)


def _ratio(ours: Figure, theirs: Figure) -> float:
    assert isinstance(ours, int | float)
    assert isinstance(theirs, int | float)
    return round(ours / theirs, 4)


def _say(name: str, figures: Figures) -> None:
    print(f"{name}: {json.dumps(dict(figures))}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="shorter loads, the same questions")
    parser.add_argument("--no-peers", action="store_true", help="the gateway alone; keeps no result")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[], help="measure these parts; keeps no result")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended as on Ctrl-C
    partial = bool(arguments.only) or arguments.no_peers
    result = run(QUICK if arguments.quick else FULL, arguments.only, with_peers=not arguments.no_peers)
    if partial:
        print(json.dumps(dict(result.figures)))
        return 0
    keep(result)
    for missed in result.missed():
        print(f"missed: {missed}", file=sys.stderr)
    return 1 if result.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
