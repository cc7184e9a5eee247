import subprocess
import sys

import psutil

from chaos.faults.slow_model import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import gateway_double, home_of
from tests.chaos.waiting import wait_for


def test_the_models_worker_is_stopped_in_turns_and_not_after_the_undo(tmp_path):
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with gateway_double() as (double, url), subprocess.Popen(sleep) as process:
        double.workers = [{"digest": double.champion, "state": "ready", "pid": process.pid}]
        home = home_of(tmp_path / "home", url)
        model = home / "releases" / "flights" / "models" / double.champion
        model.mkdir(parents=True)
        (model / "manifest.json").write_text('{"golden": {"columns": ["x"], "rows": [[1]]}}')
        fault = prepare(Lab.open(home, "flights", home / "drills" / "one"), stopped_seconds=0.5, running_seconds=0.02)
        assert not fault.active()  # the double answers at once, whatever happens to the process
        fault.inject()
        stopped = lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED  # noqa: E731
        wait_for(stopped, "the worker is stopped")
        fault.undo()
        fault.undo()
        assert not stopped()
        assert fault.agent.find() is None
        process.kill()
