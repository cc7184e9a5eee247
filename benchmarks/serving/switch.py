"""A new version under full load: does any request notice, and when does the first one get its answer."""

import time

from benchmarks.result import Figure
from benchmarks.serving.load import Load, sending
from benchmarks.serving.ours import gateway, release_root
from benchmarks.serving.plan import CLIENTS, Bench
from healing.release import Mode

_EVERY_ANSWER = 1_000_000  # the answers of the new version come last
_LEAD_SECONDS = 2.0  # of load before the release, and after it at least as much


def measure_switch(bench: Bench) -> dict[str, Figure]:
    """Several switches, a gateway each: the worst of them counts."""
    import numpy as np

    expected = bench.world.answers("next")
    new = bench.world.versions["next"]
    failed, worst_ms, to_first, wrong = 0, [], [], 0
    for number in range(bench.plan.switches):
        folder = bench.folder(f"switch-{number}")
        root = release_root(bench.world, folder / "releases")
        root.bootstrap()
        load = Load(clients=CLIENTS, seconds=3 * _LEAD_SECONDS, samples=_EVERY_ANSWER)
        with gateway(root, folder / "state") as served, sending(served.target, load) as running:
            time.sleep(load.warmup_seconds + _LEAD_SECONDS)  # load of this length, not a condition
            # All of the traffic in one step: the version was never loaded before.
            appended = time.monotonic()
            root.trial("next", Mode.CANARY, 1.0)
            answers = running.finish()
        by_new = answers.version == new
        failed += answers.failed
        worst_ms.append(answers.latency_ms(1.0))
        to_first.append(float(answers.ended[by_new].min()) - appended if by_new.any() else float("nan"))
        wrong += sum(
            abs(each.predictions[0] - (expected if each.version == new else bench.expected)[int(each.row)]) > 1e-6
            for each in answers.samples
        )
    return {
        "switch_requests_failed": failed,
        "switch_answers_wrong": int(wrong),
        "switch_worst_request_ms": round(max(worst_ms), 1),
        "switch_to_first_answer_seconds": round(float(np.max(to_first)), 3),
    }
