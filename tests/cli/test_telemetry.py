"""No library reports its usage: the opt-outs are set before any of them is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.runtime.telemetry import OPT_OUTS

ROOT = Path(__file__).parents[2]
REPORTING = ("prefect", "mlflow", "great_expectations", "evidently")


@pytest.mark.parametrize("package", ["cli", "flows", "tasks"])
def test_a_package_opts_out_before_it_imports_anything_else(package):
    script = (
        f"import os, sys, {package}\n"
        f"assert not [name for name in {REPORTING!r} if name in sys.modules]\n"
        f"print({{name: os.environ.get(name) for name in {tuple(OPT_OUTS)!r}}})"
    )
    unset = {name: value for name, value in os.environ.items() if name not in OPT_OUTS} | {"DO_NOT_TRACK": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=unset, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == str(OPT_OUTS)
