"""Switches of Prefect's API that stop work, on a server that keeps them."""

import threading

import pytest

from chaos.faults.prefect import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import home_of
from tests.chaos.standin import JsonServer


class Api:
    """A work pool, and automations of which one was disabled by a person."""

    def __init__(self):
        self.pool = {"is_paused": False}
        self.automations = {
            "1": {"id": "1", "enabled": True},
            "2": {"id": "2", "enabled": False},
            "3": {"id": "3", "enabled": True},
        }
        self.busy = 0  # so many changes are refused

    def route(self, method, path, headers, body):
        if path == "/automations/filter":
            return 200, {}, list(self.automations.values())
        if path == "/work_pools/autopilot":
            found = self.pool
        elif path.startswith("/automations/"):
            found = self.automations[path.rpartition("/")[2]]
        else:
            return 404, {}, {}
        if method == "PATCH" and self.busy:
            self.busy -= 1
            return 503, {}, {}
        if method == "PATCH":
            found.update(body)
        return 200, {}, found


@pytest.fixture
def stack(tmp_path):
    api = Api()
    with JsonServer(api.route) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = home_of(tmp_path / "home", "http://127.0.0.1:9", prefect=server.url)
        yield Lab.open(home, "flights", tmp_path), api
        server.shutdown()


def test_a_paused_pool_is_resumed_by_the_undo(stack):
    lab, api = stack
    fault = prepare(lab, "paused_pool")
    assert not fault.active()
    fault.inject()
    assert fault.active()
    assert api.pool == {"is_paused": True}
    fault.undo()
    fault.undo()
    assert not fault.active()


def test_only_the_automations_that_were_enabled_are_enabled_again(stack):
    lab, api = stack
    fault = prepare(lab, "lost_events")
    fault.inject()
    assert fault.active()
    assert not any(each["enabled"] for each in api.automations.values())
    fault.undo()
    assert {key for key, each in api.automations.items() if each["enabled"]} == {"1", "3"}


def test_a_prefect_that_is_busy_for_a_moment_is_asked_again(stack):
    """It answers 503 while its database is locked, and a drill whose fault stays in has failed."""
    lab, api = stack
    fault = prepare(lab, "lost_events")
    fault.inject()
    api.busy = 2
    fault.undo()
    assert {key for key, each in api.automations.items() if each["enabled"]} == {"1", "3"}


def test_what_cannot_be_stopped_is_named(stack, tmp_path):
    lab, api = stack
    with pytest.raises(LookupError, match="expected a work pool 'other'"):
        prepare(lab, "paused_pool", pool="other")
    for each in api.automations.values():
        each["enabled"] = False
    with pytest.raises(LookupError, match="expected an enabled automation"):
        prepare(lab, "lost_events")
    without = Lab.open(home_of(tmp_path / "bare", "http://127.0.0.1:9"), "flights", tmp_path)
    with pytest.raises(LookupError, match="expected a stack with Prefect"):
        prepare(without, "hung")
