"""A trial is stranded only if its controller is certainly gone, on this host or on another one."""

import subprocess
import sys

import pytest

from healing.errors import Conflict
from releases.signing import ensure_keys
from tasks.ledger.database import LedgerUnavailable
from tasks.ledger.lease_holder import this_process
from tasks.ledger.leases import LeaseLost, Leases, rollout_lease
from tasks.rollout import trial_controller_lease
from tasks.rollout.trial_controller_lease import controlling, stranded_trial
from tests.gateway.running import wait_until
from tests.published import PIPELINE, bootstrap, publish_tiny_model, start_canary

_CONTROL = """
import sys, time
from tasks.rollout.trial_controller_lease import controlling
with controlling(*sys.argv[1:]):
    print("controls", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "releases"


@pytest.fixture
def models(root, tmp_path):
    keys = ensure_keys(tmp_path / "keys")
    return [publish_tiny_model(root, keys, version=f"0.{seed}.0", seed=seed) for seed in (1, 2)]


@pytest.fixture
def dsn(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def trial(root, models):
    """A release with a challenger."""
    bootstrap(root, models[0])
    return start_canary(root, models[1], 0.5)


@pytest.fixture
def other_host(dsn):
    """The lease as a controller of another host holds it; a test renews it, or does not."""
    leases = Leases(dsn)
    yield leases, leases.acquire(rollout_lease(PIPELINE), "other-host/kernel/1/2")
    leases.close()


def test_a_trial_has_a_controller_while_one_holds_the_lease(root, dsn, trial):
    with controlling(dsn, PIPELINE):
        assert stranded_trial(root, dsn, PIPELINE) is None
    assert stranded_trial(root, dsn, PIPELINE) == trial


def test_without_a_challenger_nothing_is_stranded(root, dsn, models):
    bootstrap(root, models[0])
    assert stranded_trial(root, dsn, PIPELINE) is None


def test_a_controller_killed_on_this_machine_is_replaced_at_once(root, dsn, trial):
    with subprocess.Popen([sys.executable, "-c", _CONTROL, dsn, PIPELINE], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "controls\n"
        assert stranded_trial(root, dsn, PIPELINE) is None
        with pytest.raises(Conflict, match="another rollout of tiny is running"), controlling(dsn, PIPELINE):
            pytest.fail("two controllers")
        other.kill()
        other.wait()
        assert stranded_trial(root, dsn, PIPELINE) == trial
        with controlling(dsn, PIPELINE) as lease:
            assert lease.holder == this_process()


def test_a_living_controller_of_another_host_keeps_its_trial(root, dsn, trial, other_host):
    leases, held = other_host
    assert stranded_trial(root, dsn, PIPELINE) is None
    for _ in range(3):
        held = leases.renew(held)
        assert stranded_trial(root, dsn, PIPELINE, seconds_max=0.1) is None


def test_a_silent_controller_of_another_host_loses_its_trial_after_the_leases_time(root, dsn, trial, other_host):
    leases, held = other_host
    assert stranded_trial(root, dsn, PIPELINE, seconds_max=20.0) == trial
    with controlling(dsn, PIPELINE), pytest.raises(LeaseLost):
        leases.renew(held)


def test_silence_while_the_ledger_is_away_is_no_death(root, dsn, trial, other_host, monkeypatch):
    """No holder can renew during an outage, so its time begins anew afterwards."""
    clock = [0.0]
    view = Leases(dsn, clock=lambda: clock[0])
    monkeypatch.setattr(trial_controller_lease, "leases_of", lambda _: view)
    assert stranded_trial(root, dsn, PIPELINE) is None
    clock[0] = 60.0
    view.url, engine, view._engine = "postgresql+pg8000://me@127.0.0.1:9/away", view._engine, None
    with pytest.raises(LedgerUnavailable):
        view.is_abandoned(rollout_lease(PIPELINE))
    view._engine = engine
    assert stranded_trial(root, dsn, PIPELINE) is None
    clock[0] = 66.0
    assert stranded_trial(root, dsn, PIPELINE) == trial
    view.close()


def test_a_controller_that_was_paused_learns_that_another_one_took_over(dsn):
    with controlling(dsn, PIPELINE) as lease:
        taken = Leases(dsn)
        with taken._answering() as connection:
            connection.exec_driver_sql("UPDATE leases SET token = token + 1, holder = 'other-host/kernel/1/2'")
        taken.close()
        wait_until(lambda: not lease.holds(), "the controller has learned it", 30)
        with pytest.raises(LeaseLost):
            lease.check_renewed()
