import subprocess
import sys

from chaos.faults.crash_loop import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import gateway_double, home_of


def test_it_is_active_once_the_gateway_has_counted_two_restarts(tmp_path):
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with gateway_double() as (double, url), subprocess.Popen(sleep) as process:
        worker = {"digest": double.champion, "state": "ready", "pid": process.pid, "restarts": 3}
        double.workers = [worker]
        fault = prepare(Lab.open(home_of(tmp_path / "home", url), "flights", tmp_path / "home" / "drills"))
        fault.inject()
        assert process.wait(30) == -9
        worker["restarts"] = 4
        assert not fault.active()
        worker["restarts"] = 5
        assert fault.active()
        fault.undo()
        fault.undo()
        assert not fault.active()
