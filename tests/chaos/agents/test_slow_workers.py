import subprocess
import sys
import threading

import psutil

from chaos.agents.slow_workers import SlowedWorker
from tests.chaos.gateway_double import gateway_double
from tests.chaos.waiting import wait_for


def test_the_worker_is_stopped_for_a_while_and_runs_afterwards():
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with gateway_double() as (double, url), subprocess.Popen(sleep) as process:
        double.workers = [{"digest": "a", "state": "ready", "pid": process.pid}]
        worker = SlowedWorker(url, "a", stopped_seconds=1.0, running_seconds=0.0)
        turn = threading.Thread(target=worker.slow)
        turn.start()
        wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "the worker is stopped")
        turn.join()
        wait_for(lambda: psutil.Process(process.pid).status() != psutil.STATUS_STOPPED, "the worker runs")
        process.kill()


def test_a_model_without_a_worker_is_no_error():
    with gateway_double() as (_, url):
        SlowedWorker(url, "a", stopped_seconds=1.0, running_seconds=0.0).slow()
