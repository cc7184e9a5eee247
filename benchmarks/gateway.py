"""What the gateway costs and keeps, beside what a user would take instead: one run, one machine, one model.

    python -m benchmarks.gateway [--quick] [--no-peers] [--only NAME …]

The gateway runs with everything on: prediction log, guards, a fallback kept warm. Peers are installed from
`requirements/peers/` on first use. Takes fifteen minutes, `--quick` a few; `--only` measures parts and
keeps no result. Exits 1 when a goal was missed.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.result import Comparison, Figure, Result, finish
from benchmarks.serving import peers
from benchmarks.serving.alone import measure_alone
from benchmarks.serving.flights import build_world
from benchmarks.serving.hand_over import measure_hand_over
from benchmarks.serving.large_request import measure_large_request
from benchmarks.serving.memory import measure_memory
from benchmarks.serving.ours import gateway, release_root
from benchmarks.serving.overload import measure_overload
from benchmarks.serving.plan import FULL, QUICK, Bench, Plan
from benchmarks.serving.start import measure_start
from benchmarks.serving.switch import measure_switch
from benchmarks.serving.throughput import Rounds, Served, measure_throughput, ratios_over
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
    "large_request_p99_ratio": ("<=", 3),
    "large_request_singles_degraded": ("==", 0),
    "large_request_degraded": ("==", 0),
    "large_request_failed": ("==", 0),
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


def measure_servers(bench: Bench, peers_asked: Sequence[str]) -> tuple[dict[str, Figure], dict[str, Figures]]:
    """The gateway's throughput beside that of the peers, and the model's alone just before."""
    folder = bench.folder("throughput")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    alone = measure_alone(bench.plan.point_seconds)
    with ExitStack() as stack:
        ours = stack.enter_context(gateway(root, folder / "state"))
        servers = {"gateway": Served(ours.server, ours.target)}
        for name in peers_asked:
            peer = stack.enter_context(PEERS[name](peers.Launch(bench.world, bench.folder(name))))
            servers[name] = Served(peer.server, peer.target)
        measured, rounds = measure_throughput(bench, servers)
    figures = measured.pop("gateway")
    found: dict[str, Figures] = {**measured}
    for name, theirs in found.items():
        _say(name, theirs)
    figures |= {
        "model_alone_p50_ms": round(alone.predict_p50_ms, 3),
        "model_alone_rows_per_second": round(alone.rows_per_second, 1),
        "one_client_p50_over_model_alone": _ratio(figures["one_client_p50_ms"], alone.predict_p50_ms),
        "batch_rows_per_second_over_model_alone": _ratio(figures["batch_rows_per_second"], alone.rows_per_second),
    }
    return (figures | over_peers(found, rounds) if found else figures), found


def over_peers(found: Mapping[str, Figures], rounds: Rounds) -> dict[str, Figure]:
    """The gateway against each peer, as ratios within a round."""
    best = max(filter(found.__contains__, BATCHING), key=lambda name: float(found[name]["requests_per_second"] or 0))
    ratios = {name: value for peer in found for name, value in ratios_over(rounds, "gateway", peer).items()}
    as_best = f"requests_per_second_over_{best}"
    return {
        "best_batching_peer": best,
        **{
            f"requests_per_second_over_best_batching_peer{end}": ratios[f"{as_best}{end}"]
            for end in ("", "_least", "_most")
        },
        **ratios,
    }


THROUGHPUT = "throughput"
PARTS: dict[str, Callable[[Bench], Figures]] = {
    "trials": measure_trials,
    "switch": measure_switch,
    "overload": measure_overload,
    "large_request": measure_large_request,
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
        if not only or THROUGHPUT in only:
            figures, found = measure_servers(bench, list(PEERS) if with_peers else [])
            _say(THROUGHPUT, figures)
        for name, measure in PARTS.items():
            if not only or name in only:
                part = measure(bench)
                figures |= part
                _say(name, part)
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
    parser.add_argument(
        "--only", nargs="+", choices=[THROUGHPUT, *PARTS], default=[], help="measure these parts; keeps no result"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended as on Ctrl-C
    partial = bool(arguments.only) or arguments.no_peers
    result = run(QUICK if arguments.quick else FULL, arguments.only, with_peers=not arguments.no_peers)
    if partial:
        print(json.dumps(dict(result.figures)))
        return 0
    return finish(result)


if __name__ == "__main__":
    sys.exit(main())
