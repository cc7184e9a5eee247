"""Services of a running stack that are stopped without dying, and a machine that is too busy to answer quickly."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cli.stack.service_checks import POLL_AGE_SECONDS_MAX
from cli.stack.services import FEED_SILENT_SECONDS_MAX, GATEWAY_SILENT_SECONDS_MAX, SILENT_SECONDS_MAX
from tests.e2e.running_stack import RunningStack, autopilot, wait

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]

NOTICE_SECONDS = (
    25.0  # a check that was just answered, the timeout of the last one, and as much again on a busy machine
)
RESTART_SECONDS_MAX = 60.0
BUSY_SECONDS = 60.0
BURN = "while True: pass"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    running = RunningStack.start(tmp_path_factory.mktemp("hangs") / "home").await_ready()
    yield running
    running.end()


@pytest.fixture(scope="module", autouse=True)
def stopped_feed(stack):
    """The feed is stopped before everything else: it takes longest until that counts as a hang."""
    return stop(stack, "feed")


def recorded(stack, name):
    [service] = [service for service in stack.recorded().services if service.name == name]
    return service


def stop(stack, name):
    """SIGSTOP the service; what was recorded of it, and when."""
    before = recorded(stack, name)
    os.kill(before.pid, signal.SIGSTOP)
    return before, time.monotonic()


def restarted(stack, before):
    now = recorded(stack, before.name)
    return now.state == "healthy" and now.pid != before.pid


def test_a_busy_machine_restarts_nothing(stack):
    others = [service for service in stack.recorded().services if service.name != "feed"]
    burners = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        time.sleep(BUSY_SECONDS)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    assert [service for service in stack.recorded().services if service.name != "feed"] == others


@pytest.mark.parametrize(
    ("name", "seconds_max"),
    [
        ("prefect", SILENT_SECONDS_MAX),
        ("gateway", GATEWAY_SILENT_SECONDS_MAX),
        ("worker", POLL_AGE_SECONDS_MAX + SILENT_SECONDS_MAX),
    ],
)
def test_stopped_service_is_noticed_and_restarted_and_no_other(stack, name, seconds_max):
    others = {service.name: service.pid for service in stack.recorded().services if service.name not in {name, "feed"}}
    before, _ = stop(stack, name)
    assert wait(lambda: recorded(stack, name).state != "healthy", seconds_max + NOTICE_SECONDS)
    shown = json.loads(autopilot("status", "flights", "--json", home=stack.home).stdout)
    assert {service["name"] for service in shown["services"] if service["state"] != "healthy"} <= {name, "feed"}
    assert wait(lambda: restarted(stack, before), RESTART_SECONDS_MAX)
    after = {service.name: service.pid for service in stack.recorded().services if service.name not in {name, "feed"}}
    assert after == others


def test_stopped_feed_is_restarted_as_well(stack, stopped_feed):
    before, since = stopped_feed
    left = FEED_SILENT_SECONDS_MAX - (time.monotonic() - since)
    assert wait(lambda: restarted(stack, before), max(0.0, left) + NOTICE_SECONDS + RESTART_SECONDS_MAX)
    assert recorded(stack, "mirror").restarts == 0
