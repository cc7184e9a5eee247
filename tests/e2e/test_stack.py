"""One stack, from start to Ctrl-C to start again to SIGKILL. The tests share it and run in the order of the file."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime

import httpx
import psutil
import pytest

from healing.incident import Cause, Status
from tasks.ledger.store import Ledger
from tests.e2e.every_command import commands, known_commands
from tests.e2e.running_stack import ROOT, RunningStack, audited, autopilot, in_terminal, installed, wait
from tests.prefect_database import make_older

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

REST_SECONDS = 4_200
RUNS_AFTER_AN_HOUR = 60
RUNS_PLANNED_MAX = 5
READY_SECONDS_MAX = 120.0  # about 25 s on two idle cores
HEAL_SECONDS_MAX = 90.0  # about 10 s on two idle cores
LOCKED_LINES_MAX = 20  # hundreds when Prefect meets an hour of late runs
SUCCEEDING = (
    "history",
    "status",
    "example",
    "drill list",
    "init rows",
    "ingest --since",
    "heal",
    "maintain",
    "monitor",
)
SECRET = "planted-secret-4711"
DEPLOYMENTS = {"ingest", "monitor", "retrain", "release", "rollback", "heal", "maintain", "drill"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("e2e") / "home"


@pytest.fixture(scope="module")
def names(home):
    """The file in which every process of the stack records names outside this machine."""
    return home.parent / "names"


@pytest.fixture(scope="module")
def stack(home, names, tmp_path_factory):
    """Runs from the installed wheel; the commands of the tests run from the checkout."""
    environment = installed(tmp_path_factory.mktemp("installed"), audited(names))
    environment["AUTOPILOT_ALERT_URLS"] = json.dumps([f"json://user:{SECRET}@127.0.0.1:9/"])  # nobody listens there
    running = RunningStack.start(home, environment, directory=home.parent).await_ready()
    yield running
    running.end()


@pytest.fixture(scope="module")
def bootstrapped(stack, names):
    done = autopilot("bootstrap", "--until", "2013-01-21", "--json", home=stack.home, environment=audited(names))
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_all_eight_deployments_are_registered(stack):
    found = httpx.post(f"{stack.addresses['prefect']}/deployments/filter", json={}, trust_env=False).json()
    assert {deployment["name"] for deployment in found} == DEPLOYMENTS


def test_heal_is_scheduled_without_any_event(stack):
    """With some versions of Prefect's own dependencies the scheduler inserts no run and only events start flows."""
    assert wait(lambda: len(planned_runs(stack)) > 0, 90.0)


def test_only_the_next_runs_are_planned(stack):
    """What is planned is late at once after a rest."""
    assert 1 <= len(planned_runs(stack)) <= 2 * RUNS_PLANNED_MAX


def test_every_service_is_recorded_alive_and_healthy(stack):
    services = stack.recorded().services
    assert {service.name for service in services} == {"prefect", "feed", "mirror", "gateway", "healer", "worker"}
    assert all(service.alive() and service.state == "healthy" for service in services)


def test_second_up_on_the_same_home_is_refused_in_one_line(stack):
    before = stack.recorded()
    second = autopilot("up", home=stack.home)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "already runs" in second.stderr
    assert stack.recorded() == before


def test_first_model_is_released_and_served(stack, bootstrapped):
    assert bootstrapped["ingest"]
    shown = autopilot("status", "--json", home=stack.home)
    condition = json.loads(shown.stdout)
    assert shown.returncode == 0, shown.stdout
    assert (condition["serving"], condition["release"]["reason"]) == (1, "bootstrap")


def test_the_doctor_finds_nothing_in_a_healthy_stack(stack, bootstrapped):
    """On a slow machine a service may be late at one look, so that it is a finding until the next."""
    found = []

    def is_healthy():
        found.append(autopilot("doctor", "--json", "--free-mib", "0", home=stack.home))
        return found[-1].returncode == 0

    assert wait(is_healthy, HEAL_SECONDS_MAX), found[-1].stdout + found[-1].stderr
    assert json.loads(found[-1].stdout) == []


def test_the_status_page_sees_the_control_plane(stack):
    def control_plane():
        return httpx.get(f"{stack.addresses['operate']}/status", timeout=30).json()["control_plane"]

    assert wait(lambda: control_plane()["error"] == "", HEAL_SECONDS_MAX)
    assert {name: each["error"] for name, each in control_plane()["sections"].items() if each["error"]} == {}


def test_example_is_a_body_that_the_gateway_answers(stack, bootstrapped):
    example = autopilot("example", "flights", "--rows", "3", home=stack.home)
    assert example.returncode == 0, example.stderr
    answer = httpx.post(
        f"{stack.addresses['gateway']}/invocations",
        content=example.stdout,
        headers={"content-type": "application/json"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["predictions"]) == 3
    assert all(0 < probability < 1 for probability in answer.json()["predictions"])
    assert answer.headers["x-rung"] == "champion"


def test_no_command_looks_up_a_name_outside_this_machine(stack, bootstrapped, names, tmp_path):
    pipelines = tmp_path / "pipelines"
    shutil.copytree(ROOT / "pipelines", pipelines)  # `reference` writes into the pipeline's folder
    environment = audited(names) | {"AUTOPILOT_HOME": str(stack.home), "AUTOPILOT_PIPELINES_DIR": str(pipelines)}
    command = [sys.executable, "-m", "tests.e2e.every_command", str(tmp_path)]
    code, output = in_terminal(command, environment, seconds_max=360)
    assert code == 0, output[-3000:]
    ended = dict(re.findall(r"every_command: (.+) ended with (\d+)", output))
    assert len(ended) == len(commands(tmp_path)), output[-3000:]
    assert [name for name in SUCCEEDING if ended[name] != "0"] == [], output[-5000:]
    assert "anonymous usage" not in output  # Prefect's notice
    assert not names.exists(), names.read_text()


def test_every_command_was_run_in_that_test(tmp_path):
    run = {" ".join(words[:2]) for words in commands(tmp_path)} | {words[0] for words in commands(tmp_path)}
    assert known_commands() - run == {"demo", "up", "bootstrap"}  # the fixtures run them, test_demo.py the demo


def test_the_audit_records_a_name_outside_this_machine(tmp_path):
    script = (
        "import socket, contextlib\nwith contextlib.suppress(OSError):\n    socket.getaddrinfo('example.invalid', 80)"
    )
    subprocess.run([sys.executable, "-c", script], env=audited(tmp_path / "names"), check=True, timeout=60)
    assert "socket.getaddrinfo example.invalid" in (tmp_path / "names").read_text()


def test_drift_event_by_hand_starts_heal_which_dismisses_it(stack, bootstrapped):
    event = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "autopilot.drift.detected",
        "resource": {"prefect.resource.id": "autopilot.pipeline.flights", "prefect.resource.name": "flights"},
        "related": [],
        "payload": {},
    }
    url = f"{stack.addresses['prefect']}/events"
    httpx.post(url, json=[event], timeout=30, trust_env=False).raise_for_status()
    with Ledger(f"sqlite:///{stack.home / 'ledger.db'}") as ledger:

        def dismissed():
            return [i.status for i in ledger.incidents("flights") if i.cause is Cause.DATA_DRIFT] == [Status.DISMISSED]

        assert wait(dismissed, 90.0), ledger.incidents("flights")


def test_killed_service_is_restarted(stack):
    [feed] = [service for service in stack.recorded().services if service.name == "feed"]
    httpx.get(f"{stack.addresses['feed']}/health", trust_env=False).raise_for_status()
    [process] = [process for process in stack.living() if process.pid == feed.pid]
    process.kill()

    def restarted():
        return any(s.name == "feed" and s.pid != feed.pid and s.restarts == 1 for s in stack.recorded().services)

    assert wait(restarted, 30.0)
    assert wait(lambda: _answers(f"{stack.addresses['feed']}/health"), 30.0)


def test_an_hour_of_runs_can_be_planned_by_a_schedule_of_the_users_own(stack):
    """It sets the stage for the start after a rest: nobody but Prefect itself plans these runs."""
    heal = heal_deployment(stack)
    every_minute = [{"schedule": {"interval": 60}, "active": True}]
    post(stack, f"/deployments/{heal}/schedules", every_minute)
    post(stack, f"/deployments/{heal}/schedule", {"min_runs": RUNS_AFTER_AN_HOUR, "max_runs": RUNS_AFTER_AN_HOUR})
    assert len(planned_runs(stack)) >= RUNS_AFTER_AN_HOUR


def test_no_secret_of_the_stack_is_in_a_file_or_a_command_line(stack, bootstrapped):
    assert bootstrapped
    assert [line for line in command_lines(stack) if SECRET in line] == []
    contents = dict(files_below(stack.home))
    assert len(contents) > 50
    assert [path for path, content in contents.items() if SECRET.encode() in content] == []


def test_no_service_hung_under_the_load_of_these_tests(stack):
    """The feed was killed by a test."""
    assert {service.name: service.restarts for service in stack.recorded().services if service.restarts} == {"feed": 1}


def test_ctrl_c_leaves_no_process_and_exits_0(stack):
    assert stack.interrupt() == 0
    assert stack.living() == []
    assert not (stack.home / "addresses.json").exists()
    assert stack.recorded().services == ()


def test_no_process_of_the_stack_looked_up_a_name_outside_this_machine(stack, names):
    assert not names.exists(), names.read_text()


def test_it_resumes_after_a_rest_with_its_model_and_dies_whole_when_killed(stack, bootstrapped):
    """The schedule is made older instead of waiting; the database is the only thing that knows about time."""
    ports = stack.recorded().ports
    assert make_older(stack.home / "prefect" / "prefect.db", REST_SECONDS) >= RUNS_AFTER_AN_HOUR
    prefect_log = stack.home / "logs" / "prefect.log"
    logged = prefect_log.stat().st_size
    began = time.monotonic()
    resumed = RunningStack.start(stack.home).await_ready()
    try:
        assert time.monotonic() - began < READY_SECONDS_MAX
        assert resumed.recorded().ports == ports
        run = post(resumed, f"/deployments/{heal_deployment(resumed)}/create_flow_run", {})["id"]
        assert wait(lambda: state_of(resumed, run) == "COMPLETED", HEAL_SECONDS_MAX), state_of(resumed, run)
        assert prefect_log.read_bytes()[logged:].count(b"database is locked") < LOCKED_LINES_MAX
        assert len(planned_runs(resumed)) <= 2 * RUNS_PLANNED_MAX
        release = f"{resumed.addresses['operate']}/release"
        served = lambda: httpx.get(release, trust_env=False).json()["active_generation"] == 1  # noqa: E731
        assert wait(served, 30.0)
        assert len(resumed.living()) >= 5
        resumed.process.send_signal(signal.SIGKILL)
        resumed.process.wait(timeout=10)
        assert wait(lambda: resumed.living() == [], 20.0)
    finally:
        resumed.end()


def test_ctrl_c_in_the_middle_of_starting_leaves_nothing(home):
    early = RunningStack.start(home.parent / "early")
    try:
        assert wait(lambda: (early.home / "processes.json").exists() and len(early.living()) > 2, 30.0)
        assert early.interrupt() == 0
        assert early.living() == []
    finally:
        early.end()


def command_lines(stack):
    """Of every living process of the stack."""
    for process in stack.living():
        with contextlib.suppress(psutil.NoSuchProcess):
            yield " ".join(process.cmdline())


def files_below(directory):
    """Path and content of every file; one that is deleted meanwhile is left out."""
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                yield path, path.read_bytes()


def post(stack, path, body):
    """The answer's content. Prefect on SQLite asks its clients with 503 to ask again."""
    answers = []

    def answered():
        url = f"{stack.addresses['prefect']}{path}"
        answers.append(httpx.post(url, json=body, timeout=30, trust_env=False))
        return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

    assert wait(answered, 30.0)
    return answers[-1].raise_for_status().json()


def heal_deployment(stack):
    """Id of the deployment of `heal`."""
    [found] = post(stack, "/deployments/filter", {"deployments": {"name": {"any_": ["heal"]}}})
    return found["id"]


def planned_runs(stack):
    """The runs of `heal` that Prefect's scheduler has planned and nothing has started."""
    runs = {"tags": {"all_": ["auto-scheduled"]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
    return post(stack, "/flow_runs/filter", {"deployments": {"name": {"any_": ["heal"]}}, "flow_runs": runs})


def state_of(stack, run):
    url = f"{stack.addresses['prefect']}/flow_runs/{run}"
    return httpx.get(url, timeout=30, trust_env=False).raise_for_status().json()["state"]["type"]


def _answers(url):
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False
