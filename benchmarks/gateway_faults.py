"""The same faults under the same load on the gateway, `mlflow models serve` and MLServer, side by side.

    python -m benchmarks.gateway_faults [--quick]

Peers run two model processes each, the gateway a champion and a fallback. All of them run under the same supervisor, a
loop that starts an ended server again. Takes six minutes, `--quick` half of that.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.result import Comparison, Figure, Result, finish
from benchmarks.serving import peers
from benchmarks.serving.faults import FAULTS, Fault, Victim
from benchmarks.serving.flights import build_world
from benchmarks.serving.load import Answers, Load, sending
from benchmarks.serving.ours import gateway, release_root
from benchmarks.serving.processes import supervised
from benchmarks.serving.world import CRASHING, World

CLIENTS = 16
LEAD_SECONDS = 2.0
AFTER_SECONDS, AFTER_SECONDS_QUICK = 25.0, 12.0  # restarts of every server fit in; MLflow imports for ten of them
PATIENCE_SECONDS = 5.0  # after which a client calls a request failed and asks again

GOALS: dict[str, tuple[Comparison, float]] = {
    f"{fault}_requests_failed": ("==", 0) for fault in FAULTS if fault != "server_killed"
}


def on_gateway(world: World, scratch: Path, model: str) -> AbstractContextManager[Victim]:
    root = release_root(world, scratch / "releases")
    root.bootstrap(champion=model)
    return Victim.of_gateway(gateway(root, scratch / "state", supervised))


def on_peer(start: peers.Start) -> Callable[[World, Path, str], AbstractContextManager[Victim]]:
    def on(world: World, scratch: Path, model: str) -> AbstractContextManager[Victim]:
        return Victim.of_peer(start(peers.Launch(world, scratch, model, workers=2, wrap=supervised)))

    return on


SYSTEMS: dict[str, Callable[[World, Path, str], AbstractContextManager[Victim]]] = {
    "gateway": on_gateway,
    "mlflow": on_peer(peers.mlflow_serve),
    "mlserver": on_peer(peers.mlserver),
}


def measure(victim: Victim, fault: Fault, after_seconds: float) -> dict[str, Figure]:
    """One fault in the middle of a load."""
    load = Load(CLIENTS, LEAD_SECONDS + after_seconds, timeout_seconds=PATIENCE_SECONDS, warmup_seconds=1.0)
    with sending(victim.target, load) as running:
        time.sleep(load.warmup_seconds + LEAD_SECONDS)  # load of this length, not a condition
        struck = time.monotonic()
        injecting = threading.Thread(target=fault, args=(victim,), daemon=True)
        injecting.start()
        answers = running.finish()
    return _figures(answers, struck)


def _figures(answers: Answers, struck: float) -> dict[str, Figure]:
    """Counts from the fault on. `first_good` belongs to a request that was sent after it."""
    sent_after = answers.due >= struck
    good = answers.ended[answers.good & sent_after]
    bad = answers.ended[~answers.good & (answers.ended >= struck)]
    return {
        "requests_failed": int(bad.size),
        "requests_good": int(good.size),
        "requests_degraded": int((answers.degraded & sent_after).sum()),
        "first_good_seconds": round(float(good.min()) - struck, 3) if good.size else None,
        "last_failure_seconds": round(float(bad.max()) - struck, 3) if bad.size else 0.0,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="watch each fault for half as long")
    parser.add_argument("--system", nargs="+", choices=SYSTEMS, help="only these; keeps no result")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended as on Ctrl-C
    world = build_world()
    found: dict[str, dict[str, Figure]] = {}
    for system in arguments.system or SYSTEMS:
        found[system] = {}
        for name, fault in FAULTS.items():
            model = CRASHING if name == "crashing_row" else "champion"
            with (
                tempfile.TemporaryDirectory(prefix="autopilot-faults-") as scratch,
                SYSTEMS[system](world, Path(scratch), model) as victim,
            ):
                figures = measure(victim, fault, AFTER_SECONDS_QUICK if arguments.quick else AFTER_SECONDS)
            found[system] |= {f"{name}_{figure}": value for figure, value in figures.items()}
            print(f"{system} {name}: {json.dumps(figures)}", file=sys.stderr, flush=True)
    if arguments.system:
        print(json.dumps(found))
        return 0
    result = Result("gateway_faults", found.pop("gateway"), goals=GOALS, peers=found)
    return finish(result)


if __name__ == "__main__":
    sys.exit(main())
