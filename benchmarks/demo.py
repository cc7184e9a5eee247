"""What `autopilot demo` measures of itself: every request, row and incident of a played year.

    python -m benchmarks.demo [--quick] [--report var/demo/report.json]

There is no smaller honest run of this one: `--quick` is taken and changes nothing. Takes four minutes, and ports and a
state directory of its own; with `--report` it takes what `make demo` has just measured instead of playing again.
Exits 1 when the demo failed or a goal was missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.result import Figure, Result, finish

STORY_SECONDS_MAX = 600.0
TIMES = ("detected_s", "mitigated_s", "recovered_s")


def figures_of(report: dict[str, Any]) -> dict[str, Figure]:
    """The demo's report as flat figures, one name each."""
    figures: dict[str, Figure] = {"demo_seconds": round(sum(chapter["seconds"] for chapter in report["chapters"]), 1)}
    figures |= {f"requests_{name}": count for name, count in report["requests"].items()}
    figures |= {f"rows_{name}": count for name, count in report["rows"].items()}
    for incident in report["incidents"]:
        cause = incident["cause"]
        figures |= {f"{cause}_{moment.removesuffix('_s')}_seconds": incident[moment] for moment in TIMES}
        figures[f"{cause}_remedies"] = ", ".join(incident["remedies"])
    return figures


def play() -> Any:
    """Play the demo in a home of its own and return its report; CalledProcessError when it failed."""
    with tempfile.TemporaryDirectory(prefix="autopilot-demo-") as home:
        command = [sys.executable, "-m", "cli", "demo", "--home", home]
        subprocess.run(command, check=True, timeout=STORY_SECONDS_MAX)
        return json.loads((Path(home) / "demo" / "report.json").read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="changes nothing: the demo is as small as it is honest")
    parser.add_argument("--report", type=Path, help="take this report of a demo instead of playing one")
    arguments = parser.parse_args()
    report = json.loads(arguments.report.read_text()) if arguments.report else play()
    if report["missing"]:
        print(f"the demo missed: {report['missing']}", file=sys.stderr)
        return 1
    result = Result(
        name="demo",
        figures=figures_of(report),
        goals={"requests_total": (">=", 20_000), "requests_failed": ("==", 0), "requests_wrong": ("==", 0)},
    )
    return finish(result)


if __name__ == "__main__":
    sys.exit(main())
