"""How fast the healer heals, beside the version before it had a resident process, and how often it is wrong.

    python -m benchmarks.healer [--quick] [--before REVISION] [--trials N] [--before-trials N]
    python -m benchmarks.healer --sound-minutes 60     # only: no fault, and no incident expected; printed and not kept

Each version has a whole stack of its own (`autopilot up` on flights). They are broken in turn, in rounds. Takes half an
hour, `--quick` four minutes.
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.healing import trials
from benchmarks.healing.sound import sound_load
from benchmarks.healing.stack import StackUnderTest, stack
from benchmarks.healing.trials import NEVER_SECONDS, Healed
from benchmarks.result import PROJECT, Comparison, Figure, Result, keep

BEFORE = "87f0648^"  # the last revision whose repairs were flow runs of `heal`
ROUNDS = 3
IDLE_SECONDS = 40.0

GOALS: dict[str, tuple[Comparison, float]] = {
    "model_corrupt_recovered_p90_seconds": ("<=", 7.0),
    "model_corrupt_release_after_evidence_p90_seconds": ("<=", 1.0),
    "model_corrupt_unhealed": ("==", 0),
    "model_corrupt_requests_failed": ("==", 0),
    "control_plane_away_recovered_p90_seconds": ("<=", 7.0),
    "control_plane_away_unhealed": ("==", 0),
    "control_plane_away_requests_failed": ("==", 0),
    "source_dead_batch_p90_seconds": ("<=", 10.0),
    "healer_killed_next_leads_p90_seconds": ("<=", 10.0),
    "idle_stack_cores": ("<=", 0.10),
}


@dataclass
class Trials:
    """The trials of one version."""

    corrupt: list[Healed] = field(default_factory=list)
    away: list[Healed] = field(default_factory=list)
    source: list[float | None] = field(default_factory=list)
    killed: list[float | None] = field(default_factory=list)

    def figures(self) -> dict[str, Figure]:
        found: dict[str, Figure] = {}
        for name, healed in (("model_corrupt", self.corrupt), ("control_plane_away", self.away)):
            if healed:
                found |= _quantiles(f"{name}_released", [each.released_seconds for each in healed])
                found |= _quantiles(f"{name}_recovered", [each.recovered_seconds for each in healed])
                after = [each.release_after_evidence_seconds for each in healed]
                found |= _quantiles(f"{name}_release_after_evidence", after)
                found[f"{name}_trials"] = len(healed)
                found[f"{name}_unhealed"] = sum(each.recovered_seconds is None for each in healed)
                found[f"{name}_requests_failed"] = sum(each.requests_failed for each in healed)
        for name, seconds in (("source_dead_batch", self.source), ("healer_killed_next_leads", self.killed)):
            if seconds:
                found |= _quantiles(name, seconds) | {f"{name}_trials": len(seconds)}
        return found


def _quantiles(name: str, seconds: Sequence[float | None]) -> dict[str, Figure]:
    """Median and p90, where a trial without an end is longer than all others; None if the quantile is such a trial."""
    ordered = sorted(float("inf") if each is None else each for each in seconds)
    p90 = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    found = {"p50": statistics.median_high(ordered), "p90": p90}
    return {f"{name}_{q}_seconds": None if v == float("inf") else round(v, 2) for q, v in found.items()}


def main() -> int:
    """Run the trials and keep the result; 1 if a goal was missed."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the stacks end with their blocks
    with tempfile.TemporaryDirectory(prefix="autopilot-healer-") as directory:
        scratch = Path(directory)
        if arguments.sound_minutes:
            with stack(PROJECT, scratch / "sound-home") as quiet:
                found = sound_load(quiet, scratch, arguments.sound_minutes)
            print(json.dumps(found))
            return int(found["incidents"] > 0 or found["requests_failed"] > 0)
        result = _measure(arguments, scratch)
    if not arguments.quick:
        keep(result)
    else:
        print(json.dumps({"figures": result.figures, "peers": result.peers}))
    for missed in result.missed():
        print(f"missed: {missed}", file=sys.stderr)
    return int(bool(result.missed()))


def _measure(arguments: argparse.Namespace, scratch: Path) -> Result:
    now, before = Trials(), Trials()
    rounds = 1 if arguments.quick else ROUNDS
    with ExitStack() as running:
        tree = running.enter_context(_working_tree(arguments.before, scratch / "tree"))
        with stack(PROJECT, scratch / "now") as ours:
            idle = _idle_cores(ours)
            away = running.enter_context(stack(PROJECT, scratch / "away"))
            theirs = running.enter_context(stack(tree, scratch / "before"))
            for _ in range(rounds):
                _round(now, ours, away, scratch / "ours", -(-arguments.trials // rounds))
                _round_before(before, theirs, _in_folder(scratch, "theirs"), -(-arguments.before_trials // rounds))
            # It heals nothing before its control plane is back, so no trial can follow.
            into = _in_folder(scratch, "theirs")
            before.away.append(trials.corrupt_model_without_control_plane(theirs, into, NEVER_SECONDS))
    figures = {**now.figures(), "idle_stack_cores": idle}
    return Result("healer", figures, GOALS, {"before": before.figures()})


def _round(into: Trials, ours: StackUnderTest, away: StackUnderTest, scratch: Path, count: int) -> None:
    scratch.mkdir(exist_ok=True)
    (scratch / "away").mkdir(exist_ok=True)
    for number in range(count):
        into.corrupt.append(trials.corrupt_model(ours, scratch))
        seconds_max = trials.HEALED_SECONDS_MAX
        into.away.append(trials.corrupt_model_without_control_plane(away, scratch / "away", seconds_max))
        if number % 2 == 0:  # these two take longer
            into.source.append(trials.source_dead(ours))
            into.killed.append(trials.healer_killed(ours))
        _show("now", into)


def _round_before(into: Trials, theirs: StackUnderTest, scratch: Path, count: int) -> None:
    for _ in range(count):
        into.corrupt.append(trials.corrupt_model(theirs, scratch))
        into.source.append(trials.source_dead(theirs))
        _show("before", into)


def _show(version: str, done: Trials) -> None:
    """Say how far it is: the latest trial of each kind."""
    latest = [each[-1] for each in (done.corrupt, done.away, done.source, done.killed) if each]
    print(version, len(done.corrupt), *latest, file=sys.stderr, flush=True)


def _idle_cores(stack: StackUnderTest) -> float:
    """Processor time per second of a stack that only waits."""
    time.sleep(IDLE_SECONDS / 2)  # what the start has begun ends
    before = stack.processor_seconds()
    time.sleep(IDLE_SECONDS)
    return round((stack.processor_seconds() - before) / IDLE_SECONDS, 3)


def _in_folder(scratch: Path, name: str) -> Path:
    folder = scratch / name
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def _working_tree(revision: str, folder: Path) -> Iterator[Path]:
    """A working tree of a revision, for as long as the block lasts."""
    git = ["git", "-C", str(PROJECT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), revision], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.healer", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round, printed and not kept")
    parser.add_argument("--before", default=BEFORE, help="revision to compare with")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--before-trials", type=int, default=4)
    parser.add_argument("--sound-minutes", type=float, default=0.0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
