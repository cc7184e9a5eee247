"""Two gateways behind a load balancer, which share nothing but the release log."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.result import Figure
from benchmarks.serving.load import Answers, Load, send, sending, wait_for_answer
from benchmarks.serving.ours import Gateway, ReleaseRoot, gateway, release_root
from benchmarks.serving.plan import CLIENTS, Bench
from benchmarks.serving.processes import free_port, running
from benchmarks.serving.targets import GATEWAY, Target
from benchmarks.serving.world import NARROW
from healing.release import Mode

_REACH_SECONDS_MAX = 30.0
_PATHS_BESIDE = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # Debian keeps servers off a user's PATH


def measure_two_routers(bench: Bench) -> dict[str, Figure]:
    """Requests a second of the gateways' own processor time, two against one, each with as many clients a router."""
    haproxy = shutil.which("haproxy", path=_PATHS_BESIDE)
    if haproxy is None:
        return {"two_routers": "skipped, haproxy is not installed (apt-get install haproxy)"}
    folder = bench.folder("two-routers")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    seconds = bench.plan.point_seconds
    with ExitStack() as stack:
        first = stack.enter_context(gateway(root, folder / "first"))
        one, one_cpu = _costing([first], first.target, Load(CLIENTS, seconds))
        second = stack.enter_context(gateway(root, folder / "second"))
        routers = [first, second]
        balanced = stack.enter_context(_balanced(haproxy, routers, folder))
        two, two_cpu = _costing(routers, balanced, Load(2 * CLIENTS, seconds))
        figures: dict[str, Figure] = {
            "two_routers_requests_per_core_second": round(float(two.good.sum()) / two_cpu, 1),
            "one_router_requests_per_core_second": round(float(one.good.sum()) / one_cpu, 1),
            "two_routers_per_core_ratio": round(float(two.good.sum()) / two_cpu / (float(one.good.sum()) / one_cpu), 3),
            "two_routers_requests_failed": two.failed,
        }
        started = time.monotonic()
        release = root.trial("next", Mode.CANARY, 0.5)
        figures["release_reaches_both_seconds"] = round(_reached(routers, release.generation) - started, 3)
        root.promote()
        return figures | _abort(root.log.latest_generation(), routers, root)


def _costing(routers: list[Gateway], target: Target, load: Load) -> tuple[Answers, float]:
    """The answers, and the processor seconds of the gateways meanwhile, the warm-up's share taken off."""
    before = sum(router.server.cpu_seconds() for router in routers)
    answers = send(target, load)
    spent = sum(router.server.cpu_seconds() for router in routers) - before
    return answers, spent * load.seconds / (load.seconds + load.warmup_seconds)


def _abort(generation: int, routers: list[Gateway], root: ReleaseRoot) -> dict[str, Figure]:
    """A challenger that fails on one router's traffic: when has the other one dropped it, too?"""
    first, _ = routers
    _reached(routers, generation)
    trial = root.trial(NARROW, Mode.CANARY, 0.05)
    _reached(routers, trial.generation)
    with sending(first.target, Load(CLIENTS, _REACH_SECONDS_MAX)) as _:
        deadline = time.monotonic() + _REACH_SECONDS_MAX
        while root.log.latest_generation() == trial.generation:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the failing challenger was not aborted within {_REACH_SECONDS_MAX} s")
            time.sleep(0.002)
        aborted = time.monotonic()
        return {"abort_reaches_other_seconds": round(_reached(routers, trial.generation + 1) - aborted, 3)}


def _reached(routers: list[Gateway], generation: int) -> float:
    """When the last of the routers had this release on duty; TimeoutError when one never had."""
    deadline = time.monotonic() + _REACH_SECONDS_MAX
    while any(router.release()["active_generation"] < generation for router in routers):
        if time.monotonic() > deadline:
            raise TimeoutError(f"generation {generation} did not reach both routers within {_REACH_SECONDS_MAX} s")
        time.sleep(0.005)
    return time.monotonic()


@contextmanager
def _balanced(haproxy: str, routers: list[Gateway], folder: Path) -> Iterator[Target]:
    port = free_port()
    servers = "\n".join(
        f"  server router{number} 127.0.0.1:{router.target.port}" for number, router in enumerate(routers)
    )
    configuration = folder / "haproxy.cfg"
    configuration.write_text(
        "global\n  maxconn 4096\n"
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
        f"frontend predict\n  bind 127.0.0.1:{port}\n  default_backend routers\n"
        f"backend routers\n  balance leastconn\n  http-reuse always\n{servers}\n"
    )
    with running([haproxy, "-db", "-f", str(configuration)], folder / "haproxy.log") as server:
        target = Target("two routers", port, GATEWAY, routers[0].target.world)
        wait_for_answer(target, _REACH_SECONDS_MAX, server.process)
        yield target
