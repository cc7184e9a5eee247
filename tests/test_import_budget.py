"""Repair must start fast: loading `heal` or `rollback` loads none of the libraries that take seconds."""

import subprocess
import sys

import pytest

HEAVY = ("evidently", "great_expectations", "sklearn", "mlflow", "pandas", "deltalake", "skops", "matplotlib")


@pytest.mark.parametrize("module", ["flows.heal", "flows.rollback", "flows.release"])
def test_a_repair_flow_loads_without_the_heavy_libraries(module):
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.split() == []
