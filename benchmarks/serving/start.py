"""From the start of the router to the first answer, with a release root and from the local cache without one."""

import shutil
import time

from benchmarks.result import Figure
from benchmarks.serving.load import wait_for_answer
from benchmarks.serving.ours import START_SECONDS_MAX, gateway, release_root, starting
from benchmarks.serving.plan import Bench


def measure_start(bench: Bench) -> dict[str, Figure]:
    """The worst of three each; the first start of all, which may compile modules, is not counted."""
    folder = bench.folder("start")
    root = release_root(bench.world, folder / "releases")
    root.bootstrap()
    with gateway(root, folder / "state"):
        pass
    plain, cached = [], []
    for number in range(3):
        began = time.monotonic()
        with starting(root, folder / f"new-{number}") as served:
            plain.append(wait_for_answer(served.target, START_SECONDS_MAX, served.server.process) - began)
    shutil.rmtree(root.path)
    for _ in range(3):
        began = time.monotonic()
        with starting(root, folder / "state") as served:
            cached.append(wait_for_answer(served.target, START_SECONDS_MAX, served.server.process) - began)
    return {
        "start_to_first_answer_seconds": round(max(plain), 2),
        "start_from_cache_to_first_answer_seconds": round(max(cached), 2),
    }
