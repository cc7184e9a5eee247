import subprocess
import sys

from chaos.agents.kill_workers import kill_ready_worker
from tests.chaos.gateway_double import gateway_double


def test_only_a_ready_worker_of_the_model_is_killed():
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with gateway_double() as (double, url), subprocess.Popen(sleep) as ours, subprocess.Popen(sleep) as other:
        double.workers = [
            {"digest": "a", "state": "starting", "pid": ours.pid},
            {"digest": "b", "state": "ready", "pid": other.pid},
        ]
        kill_ready_worker(url, "a")
        assert ours.poll() is None
        double.workers[0]["state"] = "ready"
        kill_ready_worker(url, "a")
        assert ours.wait(30) == -9
        assert other.poll() is None
        other.kill()


def test_a_gateway_that_does_not_answer_is_no_error():
    kill_ready_worker("http://127.0.0.1:9", "a")
