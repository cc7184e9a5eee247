"""A service whose output cannot be written goes on; a command without this protection does not."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys, pathlib
import structlog
from observability.service_output import keep_running_without_output
if sys.argv[2] == "protected":
    keep_running_without_output()
structlog.get_logger().warning("a line")
print("a result", flush=True)
print("an error", file=sys.stderr, flush=True)
pathlib.Path(sys.argv[1]).write_text(str(sys.stdout.isatty()))
"""


@pytest.mark.parametrize(("how", "ends"), [("protected", True), ("as it is", False)])
def test_a_full_disk_under_its_log_ends_only_a_process_without_protection(tmp_path, how, ends):
    reached = tmp_path / "reached"
    with Path("/dev/full").open("w") as full:
        subprocess.run(
            [sys.executable, "-c", CODE, str(reached), how], stdout=full, stderr=full, check=False, timeout=60
        )
    assert reached.exists() is ends


FAILING = """
import structlog
from observability.service_output import log_without_locals

def fail(password):
    raise ValueError("a reason")

log_without_locals()
structlog.configure(logger_factory=structlog.PrintLoggerFactory())
try:
    fail("planted" + "-password")
except ValueError:
    structlog.get_logger().exception("failed")
"""


def test_a_logged_traceback_has_no_values_of_local_variables():
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, check=True, timeout=60)
    assert "ValueError: a reason" in done.stdout
    assert "planted-password" not in done.stdout
