"""Every drill against the whole stack, as `autopilot drill run` runs it. Minutes: `make drills`.

The tests share one stack and run in the order of the file. Each leaves it steady but the last: what nothing heals stays
open.
"""

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from chaos import golden_rows
from chaos.lab import Lab
from chaos.ledger import unfinished
from chaos.load import OpenLoop
from chaos.verdict import Exit
from tests.e2e.running_stack import ROOT, RunningStack, autopilot, wait

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]

REQUESTS_MAX = 40_000
SECONDS_MAX = 600.0
FLOW_SECONDS_MAX = 1400.0  # a retrain, its repetition and a rollout
SETTLE_SECONDS_MAX = 400.0  # the scheduled `heal` looks every 300 s, and its run takes up to 90 s to start and end


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    running = RunningStack.start(tmp_path_factory.mktemp("drills") / "home").await_ready()
    must("bootstrap", "flights", "--until", "2013-01-21", home=running.home)
    yield running
    running.end()


@pytest.fixture(scope="module")
def weeks():
    """Ends of weeks whose data no model was trained on: a model that a drill fenced is not released again."""
    return iter(("2013-01-28", "2013-02-04"))


@pytest.fixture
def two_models(stack, weeks):
    """A champion with a warm fallback: another model was promoted through a canary under load."""
    lab = Lab.open(stack.home, "flights", stack.home)
    assert wait(lambda: settled(lab), SETTLE_SECONDS_MAX), lab.release_state()
    if not lab.release_state()["release"]["fallbacks"]:
        until = next(weeks)
        must("ingest", "flights", "--until", until, home=stack.home)
        with load(lab):
            must("retrain", "flights", "--until", until, "--skip-comparison", home=stack.home)
        assert lab.release_state()["release"]["fallbacks"], "the canary was not promoted"
    return stack


def settled(lab):
    """The release is settled, there is no trial, and no incident of the drill before is open."""
    state = lab.release_state()
    follows = state["desired_generation"] == state["active_generation"]
    return (
        follows
        and not state["problems"]
        and state["release"]["challenger"] is None
        and not unfinished(lab.ledger, "flights")
    )


def must(*words, home):
    done = autopilot(*words, home=home, seconds_max=SECONDS_MAX)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]


@contextmanager
def load(lab):
    """Send prediction requests during the block."""
    done = threading.Event()
    requests = golden_rows.golden_requests(lab, lab.champion())
    answers = []
    open_loop = OpenLoop(
        url=f"{lab.gateway}/invocations",
        next_request=lambda index: requests[index % len(requests)],
        on_exchange=answers.append,
        rate_per_second=120,  # a 5 % canary needs 150 requests of its own within 90 s, on a machine that may be busy
        requests_max=REQUESTS_MAX,
        seconds_max=SECONDS_MAX,
        stopped=done.is_set,
    )
    thread = threading.Thread(target=lambda: asyncio.run(open_loop.run()))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert all(answer.status == 200 for answer in answers)


def drill(name, home, *options, seconds_max=SECONDS_MAX):
    """Run a drill; return its outcome, whose exit code is that of the command."""
    command = [sys.executable, "-m", "cli", "drill", "run", name, "--home", str(home), "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds_max, check=False)
    outcome = json.loads(done.stdout)
    assert done.returncode == outcome["exit"], done.stderr
    return outcome


def test_noop_reports_no_incident(stack):
    outcome = drill("noop", stack.home)
    assert outcome["exit"] == Exit.RECOVERED, outcome["reason"]


def test_a_hanging_source_is_replaced_by_its_mirror(stack):
    outcome = drill("source-outage", stack.home)
    assert outcome["exit"] == Exit.RECOVERED, outcome["reason"]


def test_without_a_fallback_the_champion_is_not_broken(stack):
    outcome = drill("model-corruption", stack.home)
    assert outcome["exit"] == Exit.NOT_STEADY
    assert "fallbacks-are-warm" in outcome["reason"]


def test_with_rollback_switched_off_the_drill_of_a_corrupt_champion_fails(two_models):
    outcome = drill("model-corruption", two_models.home, "--ablate", "rollback")
    assert outcome["exit"] == Exit.NOT_RECOVERED, outcome["reason"]
    assert outcome["requests"]["failed"] == outcome["requests"]["wrong"] == 0


def test_a_corrupt_champion_is_rolled_back_without_a_failed_or_wrong_answer(two_models):
    outcome = drill("model-corruption", two_models.home)
    assert outcome["exit"] == Exit.RECOVERED, outcome["reason"]
    assert outcome["requests"]["failed"] == outcome["requests"]["wrong"] == 0


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", ["retrain-killed", "release-killed", "source-hang-during-trial"])
def test_a_disturbed_retrain_or_release_does_its_work_once(stack, name):
    outcome = drill(name, stack.home, seconds_max=FLOW_SECONDS_MAX)
    assert outcome["exit"] == Exit.RECOVERED, outcome["reason"]


def test_what_nothing_can_heal_is_reported_as_not_recovered(stack):
    outcome = drill("unhealable", stack.home)
    assert outcome["exit"] == Exit.NOT_RECOVERED, outcome["reason"]
