"""The result format of every benchmark, and where results are stored."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

RESULTS = Path(__file__).parent / "results"
PROJECT = Path(__file__).parents[1]

Figure = float | int | str | None
Comparison = Literal["<=", ">=", "=="]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a benchmark.

    `figures` maps a name that ends in its unit to a number. `goals` maps some of the names to a comparison and a bound.
    `peers` holds the same figures for alternatives that a user would choose, measured in the same run.
    """

    name: str
    figures: Mapping[str, Figure]
    goals: Mapping[str, tuple[Comparison, float]] = field(default_factory=dict)
    peers: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)

    def missed(self) -> list[str]:
        """The missed goals, each with its bound and the measured figure."""
        return [
            f"{figure} {comparison} {bound}, found {self.figures.get(figure)}"
            for figure, (comparison, bound) in self.goals.items()
            if not _holds(self.figures.get(figure), comparison, bound)
        ]


def _holds(found: Figure, comparison: Comparison, bound: float) -> bool:
    if not isinstance(found, int | float):
        return False
    match comparison:
        case "<=":
            return found <= bound
        case ">=":
            return found >= bound
        case "==":
            return found == bound


def keep(result: Result) -> None:
    """Write the result to `results/NAME.json` and print it as one line."""
    document = {**asdict(result), "machine": _machine(), "revision": _revision()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{result.name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document))


def read(name: str) -> dict[str, Any]:
    """A stored result; FileNotFoundError if `make bench NAME=name` was never run."""
    document: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return document


def _machine() -> dict[str, Figure]:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cores": os.cpu_count(), "memory_gib": round(memory_gib, 1), "python": platform.python_version()}


def _revision() -> str:
    """The measured commit, marked as dirty if the working tree had other changes."""
    asked = subprocess.run(
        ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"


def finish(result: Result, *, partial: bool = False) -> int:
    """Keep the result, or print one that has only some parts; the exit code, 1 where a goal is missed."""
    if partial:
        print(json.dumps({"figures": dict(result.figures), "peers": dict(result.peers)}))
    else:
        keep(result)
    for missed in result.missed():
        print(f"missed: {missed}", file=sys.stderr)
    return 1 if result.missed() else 0
