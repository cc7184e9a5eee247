"""What `autopilot demo` measures of itself: every request, row and incident of a played year.

    python -m benchmarks.demo [--quick]

There is no smaller honest run of this one: `--quick` is taken and changes nothing. Takes four minutes, and ports and a
state directory of its own. Exits 1 when the demo failed or a goal was missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.result import Figure, Result, keep

STORY_SECONDS_MAX = 600.0
TIMES = ("detected_s", "mitigated_s", "recovered_s")


def figures_of(report: dict[str, Any], seconds: float) -> dict[str, Figure]:
    """The demo's report as flat figures, one name each."""
    figures: dict[str, Figure] = {"demo_seconds": round(seconds, 1)}
    figures |= {f"requests_{name}": count for name, count in report["requests"].items()}
    figures |= {f"rows_{name}": count for name, count in report["rows"].items()}
    for incident in report["incidents"]:
        cause = incident["cause"]
        figures |= {f"{cause}_{moment.removesuffix('_s')}_seconds": incident[moment] for moment in TIMES}
        figures[f"{cause}_remedies"] = ", ".join(incident["remedies"])
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--quick", action="store_true", help="taken for uniformity; the demo is as small as it is honest"
    )
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autopilot-demo-") as home:
        began = time.monotonic()
        command = [sys.executable, "-m", "cli", "demo", "--home", home]
        played = subprocess.run(command, check=False, timeout=STORY_SECONDS_MAX)
        seconds = time.monotonic() - began
        if played.returncode != 0:
            print(f"the demo exited {played.returncode}", file=sys.stderr)
            return 1
        report = json.loads((Path(home) / "demo" / "report.json").read_text())
    result = Result(
        name="demo",
        figures=figures_of(report, seconds),
        goals={"requests_total": (">=", 20_000), "requests_failed": ("==", 0), "requests_wrong": ("==", 0)},
    )
    keep(result)
    for missed in result.missed():
        print(f"missed: {missed}", file=sys.stderr)
    return 1 if result.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
