import os
import shutil
import subprocess
import sys
import time

import pytest

from chaos.settable_clock import COMPILER, set_clock, variables

pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason="needs a C compiler")
CLOCKS = """
import datetime, sys, time
for _ in sys.stdin:
    time.sleep(0.001)
    now = datetime.datetime.now(datetime.UTC).timestamp()
    print(now, time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), flush=True)
"""


def test_the_wall_clock_of_a_running_process_is_set_and_no_other_clock(tmp_path):
    given = variables(tmp_path)
    command = [sys.executable, "-c", CLOCKS]
    environment = {**os.environ, **given}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for offset in (0, 3600, -3600, 0):
            set_clock(tmp_path / "offset", offset)
            process.stdin.write("\n")
            process.stdin.flush()
            now, wall, monotonic, boot = (float(word) for word in process.stdout.readline().split())
            assert now - time.time() == pytest.approx(offset, abs=300)
            assert wall - time.time() == pytest.approx(offset, abs=300)
            assert monotonic == pytest.approx(time.monotonic(), abs=300)
            assert boot == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=300)
        process.stdin.close()
