"""An hour of constant load on one gateway, with a fault every minute: failed and wrong answers, and what grows.

    python -m benchmarks.gateway_hour [--minutes 60] [--seed 0] [--rate N] [--faults NAME ...] [--quick]

A champion and a fallback serve. The load is open-loop at half of the requests per second that 64 clients reach first,
or at `--rate`. Faults are those of `benchmarks.hour.faults`, in a seeded order. Every answer is compared with that of
the version which gave it. At the end of each minute the gateway has to be at rest, and its processes are sampled. A
request that is refused with 503 OVERLOADED, because the machine has no time for it, is counted apart from failed ones.
`--quick` takes five minutes.
"""

import argparse
import contextlib
import itertools
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path
from typing import Any

from benchmarks.hour.client_faults import send_large_requests
from benchmarks.hour.faults import FAULTS, in_turn
from benchmarks.hour.growth import ProcessSample, growth_of
from benchmarks.hour.outcomes import Oracle, RequestOutcome, Tally
from benchmarks.hour.stage import Stage
from benchmarks.result import Comparison, Figure, Result, finish
from benchmarks.serving.flights import build_world
from benchmarks.serving.load import Load, send, sending
from benchmarks.serving.ours import gateway, release_root
from benchmarks.serving.plan import CLIENTS
from benchmarks.serving.world import CRASHING, World

MINUTES, MINUTES_QUICK = 60, 5
MINUTE_SECONDS = 60.0
_CAPACITY_SECONDS = 10.0
_RATE_MAX = 3000.0  # requests per second; above it the client's own record takes the time of the gateway
_LEAD_SECONDS = 3.0  # of load before a fault
_IN_FLIGHT_MAX = 512
_TIMEOUT_SECONDS = 10.0
_DESCRIPTORS_PER_HOUR, _THREADS_PER_HOUR, _MEMORY_SHARE_PER_HOUR = 5, 2, 0.05  # that count as flat

GOALS: dict[str, tuple[Comparison, float]] = {
    "requests_failed": ("==", 0),
    "answers_wrong": ("==", 0),
    "faults_unexpected": ("==", 0),
    "router_memory_share_per_hour": ("<=", _MEMORY_SHARE_PER_HOUR),
    "router_descriptors_per_hour": ("<=", _DESCRIPTORS_PER_HOUR),
    "router_threads_per_hour": ("<=", _THREADS_PER_HOUR),
    "processes_per_hour": ("<=", 0),
    "tree_descriptors_per_hour": ("<=", _DESCRIPTORS_PER_HOUR),
}
_GROWING = ("router_mib", "router_descriptors", "router_threads", "processes", "tree_mib", "tree_descriptors")


class Hour:
    """The minutes so far: what became of requests and faults, and the samples at rest."""

    def __init__(self, stage: Stage, oracle: Oracle, rate: float, minute_seconds: float) -> None:
        self.tally = Tally()
        self.samples: list[ProcessSample] = []
        self.unexpected: list[str] = []
        self.struck: list[str] = []
        self._stage = stage
        self._oracle = oracle
        self._rate = rate
        self._seconds = minute_seconds
        self._began = time.monotonic()
        self.sample()

    def run_minute(self, fault: str) -> None:
        """One minute of load with one fault in it, then the rest, a sample, and a line about it."""
        load = Load(
            _IN_FLIGHT_MAX,
            self._seconds,
            warmup_seconds=0.0,
            rate=self._rate,
            timeout_seconds=_TIMEOUT_SECONDS,
            samples=0,
        )
        striking = threading.Thread(target=self._strike, args=(fault,), daemon=True)
        with sending(self._stage.gateway.target, load) as running:
            time.sleep(min(_LEAD_SECONDS, self._seconds / 4))  # load of this length, not a condition
            striking.start()
            answers = running.records()
        striking.join()
        with self._expecting(f"rest after {fault}"):
            self._stage.wait_for_rest()
        these = self.tally.take(answers, self._oracle)
        self.sample()
        self.struck.append(fault)
        line: dict[str, Any] = {outcome.value: count for outcome, count in these.outcomes.items()}
        line |= {"degraded": these.degraded, "reasons": dict(these.reasons)} | asdict(self.samples[-1])
        print(f"{len(self.struck)} {fault}: {json.dumps(line)}", file=sys.stderr, flush=True)

    def sample(self) -> None:
        self.samples.append(ProcessSample.of(self._stage.gateway.server.tree(), self._began))

    def _strike(self, fault: str) -> None:
        with self._expecting(fault):
            FAULTS[fault](self._stage)

    @contextlib.contextmanager
    def _expecting(self, what: str) -> Iterator[None]:
        """Record what is not as expected; the next minute shows whether the gateway goes on all the same."""
        try:
            yield
        except Exception as exc:  # noqa: BLE001  a fault that cannot be brought about is a finding as well
            self.unexpected.append(f"{what}: {exc!r}")
            print(f"unexpected: {self.unexpected[-1]}", file=sys.stderr, flush=True)

    def figures(self) -> dict[str, Figure]:
        """Counts, and growth per hour as the median slope with its interval."""
        outcomes = self.tally.outcomes
        figures: dict[str, Figure] = {
            "minutes": len(self.struck),
            "requests_per_second": round(self._rate, 1),
            "requests": outcomes.total(),
            "requests_failed": outcomes[RequestOutcome.FAILED],
            "answers_wrong": outcomes[RequestOutcome.WRONG],
            "requests_degraded": self.tally.degraded,
            "requests_shed": outcomes[RequestOutcome.SHED],
            "requests_unsent": outcomes[RequestOutcome.UNSENT],
            "refusals": json.dumps(dict(self.tally.reasons.most_common())),
            "faults": len(set(self.struck)),
            "faults_unexpected": len(self.unexpected),
        }
        for name in _GROWING:
            growth = growth_of(self.samples, attrgetter(name))
            figures[f"{name}_first"] = round(getattr(self.samples[0], name), 1)
            figures[f"{name}_last"] = round(getattr(self.samples[-1], name), 1)
            for end, value in (("", "per_hour"), ("_least", "least"), ("_most", "most")):
                figures[f"{name}_per_hour{end}"] = None if growth is None else round(getattr(growth, value), 3)
        growth_mib, first_mib = figures["router_mib_per_hour"], figures["router_mib_first"]
        if isinstance(growth_mib, float) and isinstance(first_mib, float):
            figures["router_memory_share_per_hour"] = round(growth_mib / first_mib, 4)
        return figures


def measure(
    world: World,
    minutes: int,
    seed: int,
    *,
    faults: Sequence[str] = tuple(FAULTS),
    champion: str = CRASHING,
    rate: float | None = None,
    minute_seconds: float = MINUTE_SECONDS,
    warm_up_seconds: float = _CAPACITY_SECONDS,
) -> tuple[dict[str, Figure], list[str]]:
    """The figures, and what was not as expected. `champion` answers as the world's champion does."""
    with tempfile.TemporaryDirectory(prefix="autopilot-hour-") as scratch:
        root, state_dir = release_root(world, Path(scratch) / "releases"), Path(scratch) / "state"
        root.bootstrap(champion=champion)
        with gateway(root, state_dir) as served:
            stage = Stage(world, root, served, state_dir, world.model(champion), world.model("fallback"))
            half_of_capacity = _warm_up(stage, warm_up_seconds)
            hour = Hour(stage, oracle_of(world, champion), rate or half_of_capacity, minute_seconds)
            for fault in itertools.islice(in_turn(list(faults), seed), minutes):
                hour.run_minute(fault)
        return hour.figures(), hour.unexpected


def oracle_of(world: World, champion: str) -> Oracle:
    """The answers of each model that may serve; `champion` answers as the world's champion does."""
    answers = {world.digests[name]: world.answers(name).tolist() for name in ("fallback", "next")}
    answers[world.digests[champion]] = world.answers("champion").tolist()
    return Oracle(answers, world.baseline)


def _warm_up(stage: Stage, seconds: float) -> float:
    """Half of the requests per second that 64 clients reach in a closed loop, within a bound.

    Afterwards, the router has the buffers and threads that large requests need, and remembers as many recent requests
    as it ever does: what it holds from then on may not grow.
    """
    answers = send(stage.gateway.target, Load(CLIENTS, seconds))
    send_large_requests(stage)
    return min(answers.requests_per_second / 2, _RATE_MAX)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=int, default=MINUTES, help="one fault per minute")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the faults")
    parser.add_argument("--rate", type=float, help="requests per second; half of the capacity by default")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS), help="only these; keeps no result")
    parser.add_argument("--quick", action="store_true", help=f"{MINUTES_QUICK} minutes")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the gateway is ended as on Ctrl-C
    minutes = MINUTES_QUICK if arguments.quick else arguments.minutes
    figures, _ = measure(build_world(), minutes, arguments.seed, faults=arguments.faults, rate=arguments.rate)
    partial = arguments.rate is not None or len(arguments.faults) < len(FAULTS)
    return finish(Result("gateway_hour", figures, goals=GOALS), partial=partial)


if __name__ == "__main__":
    sys.exit(main())
