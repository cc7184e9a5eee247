"""Drills against a stack that is known through a target file only. The stand-in asks for a token."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import uvicorn
import yaml

from chaos import experiment_files
from chaos.leases import read_all
from chaos.proxy.api import ProxyApi
from chaos.staging.target import TARGET_VARIABLE
from tests.chaos.test_runner import ROOT, standin
from tests.chaos.waiting import wait_for

TOKEN = "t0ken-of-the-gateway"
PASSWORD = "passw0rd-of-the-ledger"
DRILL = "slow-link-healer-gateway"


@contextmanager
def fault_proxy(upstream):
    """The API of a fault proxy with the link `operate`."""
    server = uvicorn.Server(uvicorn.Config(ProxyApi().application(), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the proxy listens")
    api = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    document = {"name": "operate", "upstream": upstream.removeprefix("http://")}
    httpx.post(f"{api}/proxies", json=document, trust_env=False).raise_for_status()
    try:
        yield api
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def staging(tmp_path_factory):
    """The directory of a target file, for a stand-in that runs on another home."""
    folder = tmp_path_factory.mktemp("staging")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STANDIN_TOKEN", TOKEN)
        with standin(folder / "stack", "--heals") as stack:
            addresses = json.loads((stack / "addresses.json").read_text())
            with fault_proxy(addresses["operate"]) as proxy:
                target = {
                    "pipeline": "flights",
                    **{name: addresses[name] for name in ("gateway", "operate", "prefect")},
                    "proxy": proxy,
                    "ledger": f"sqlite:///{stack / 'ledger.db'}",
                    "release_root": str(stack / "releases" / "flights"),
                    "credentials": {
                        **{name: {"file": "token"} for name in ("gateway", "operate")},
                        "prefect": {"env": "STAGING_TOKEN"},
                        "ledger": {"env": "STAGING_PASSWORD"},
                    },
                    "allow": {"drills": [DRILL]},
                }
                (folder / "token").write_text(f"{TOKEN}\n")
                (folder / "staging.yaml").write_text(yaml.safe_dump(target))
                yield folder


@pytest.fixture
def environment(tmp_path):
    """Of a command in another working directory, with the secrets and without a stack of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPILOT_")}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    (tmp_path / "elsewhere").mkdir()
    return {**kept, "PYTHONPATH": path, "STAGING_TOKEN": TOKEN, "STAGING_PASSWORD": PASSWORD}


def run(command, tmp_path, environment, on_start=lambda _: None):
    """Run it to its end in another directory, and call `on_start` while it runs."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=tmp_path / "elsewhere",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    on_start(process)
    output, errors = process.communicate(timeout=280)
    return process.returncode, output, errors


def files_with(secret, folder):
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def watch_arguments(process, seen):
    """Add the arguments of the command and of everything below it to `seen`, until it ends."""

    def watch():
        while process.poll() is None:
            for each in psutil.process_iter(["cmdline"]):
                seen.update(each.info["cmdline"] or ())

    threading.Thread(target=watch, daemon=True).start()


@pytest.mark.timeout(300)
def test_a_drill_runs_through_the_target_alone_and_writes_no_secret(staging, tmp_path, environment):
    seen = set()
    home = tmp_path / "records"
    drill = ("-m", "cli", "drill", "run", DRILL, "--json")
    where = ("--home", str(home), "--target", str(staging / "staging.yaml"))
    code, output, errors = run((*drill, *where), tmp_path, environment, lambda each: watch_arguments(each, seen))
    assert code == 0, (output, errors)
    outcome = json.loads(output)
    assert (outcome["target"], outcome["requests"]["wrong"], outcome["requests"]["failed"]) == ("staging", 0, 0)
    [lease] = read_all(Path(outcome["directory"]) / "leases")
    assert not lease.outstanding
    assert not lease.fault.active()
    assert any(word == f"drill_dir={outcome['directory']}" for word in seen)  # the arguments were observed
    for secret in (TOKEN, PASSWORD):
        assert files_with(secret, home) == files_with(secret, staging / "stack") == []
        assert not any(secret in word for word in [*seen, output, errors])


@pytest.mark.timeout(200)
def test_what_the_target_does_not_allow_is_refused_before_anything_is_written(staging, tmp_path, environment):
    home = tmp_path / "records"
    where = ("--home", str(home), "--target", str(staging / "staging.yaml"))
    code, output, errors = run(("-m", "cli", "drill", "run", "gateway-kill", *where), tmp_path, environment)
    assert (code, output) == (2, "")
    assert "neither the drill gateway-kill nor faults of kind signal" in errors
    assert "`signal process=gateway signal=KILL` needs a process of the stack on this machine" in errors
    assert not home.exists()
    code, _, errors = run(("-m", "cli", "drill", "run", DRILL, *where), tmp_path, environment | {"STAGING_TOKEN": ""})
    assert (code, home.exists()) == (2, False)
    assert "environment variable STAGING_TOKEN" in errors


@pytest.mark.timeout(300)
def test_plain_chaos_run_obeys_the_allow_list(staging, tmp_path, environment):
    target = yaml.safe_load((staging / "staging.yaml").read_text())
    (staging / "closed.yaml").write_text(yaml.safe_dump({**target, "allow": {}}))
    file = experiment_files.EXPERIMENTS / f"{DRILL}.yaml"
    content = yaml.safe_load(file.read_text())
    for step in content["method"]:  # after the refusal there is nothing to wait for
        arguments = step["provider"].get("arguments", {})
        arguments.update({key: 2 for key in ("seconds_max", "deadline_seconds", "hold_seconds") if key in arguments})
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(content))
    chaos = ("-m", "chaostoolkit", "--no-version-check", "--settings", "none.yaml")
    run_it = (*chaos, "run", "--journal-path", str(tmp_path / "journal.json"), str(tmp_path / "experiment.yaml"))
    known = {TARGET_VARIABLE: str(staging / "closed.yaml"), "AUTOPILOT_HOME": str(tmp_path / "records")}
    run(run_it, tmp_path, environment | known)
    journal = json.loads((tmp_path / "journal.json").read_text())
    assert journal["steady_states"]["before"]["steady_state_met"]
    [injected] = [step for step in journal["run"] if step["activity"]["name"].startswith("inject-fault")]
    assert "nothing was broken: target 'closed' does not allow it" in "".join(injected["exception"])
    assert not list((tmp_path / "records").rglob("*.lease.json"))
    assert files_with(TOKEN, tmp_path) == files_with(PASSWORD, tmp_path) == []
