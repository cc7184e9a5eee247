"""What a challenger costs: the throughput that is left with a fifth of the traffic on it, or all of it copied."""

from benchmarks.result import Figure
from benchmarks.serving.load import Load, send
from benchmarks.serving.ours import gateway, release_root
from benchmarks.serving.plan import CLIENTS, Bench
from healing.release import Mode

CANARY_WEIGHT = 0.2
_CHALLENGED = "x-rung: challenger"


def measure_trials(bench: Bench) -> dict[str, Figure]:
    """Each point beside a run without a challenger on the same gateway, so that a slow minute hits both."""
    folder = bench.folder("trials")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    load = Load(clients=CLIENTS, seconds=bench.plan.point_seconds, marks=(_CHALLENGED,))
    with gateway(root, folder / "canary") as canary:
        plain = send(canary.target, load)
        release = root.trial("next", Mode.CANARY, CANARY_WEIGHT)
        canary.wait_for_generation(release.generation)
        shared = send(canary.target, load)
    root = release_root(bench.world, folder / "shadowed")
    root.bootstrap()
    with gateway(root, folder / "shadow") as shadow:
        alone = send(shadow.target, load)
        release = root.trial("next", Mode.SHADOW, 1.0)
        shadow.wait_for_generation(release.generation)
        copied = send(shadow.target, load)
        counts = shadow.release()["shadow"]
    return {
        "canary_throughput_share": round(shared.requests_per_second / plain.requests_per_second, 3),
        "canary_requests_share": round(float(shared.marked(0).mean()), 3),
        "canary_requests_failed": shared.failed,
        "shadow_throughput_share": round(copied.requests_per_second / alone.requests_per_second, 3),
        "shadow_p99_ratio": round(copied.latency_ms(0.99) / alone.latency_ms(0.99), 3),
        "shadow_scored_share": round(counts["scored"] / max(counts["copied"] + counts["dropped"], 1), 3),
        "shadow_requests_failed": copied.failed,
    }
