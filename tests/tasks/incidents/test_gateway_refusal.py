"""A gateway that refuses the control plane's key is no dead gateway: no restart, and a person is notified."""

import time

import pytest

from healing.diagnosis import Presence, Signals, confirm
from healing.incident import Cause, Remedy
from healing.policy import DEFAULT_REMEDIES
from tasks.incidents import detection
from tasks.incidents.detection import Detection
from tasks.incidents.probes.gateway_key import GatewayKeyIsAccepted
from tasks.incidents.probing import Probing
from tests.published import PIPELINE
from tests.tasks.incidents.contexts import probe_context
from tests.tasks.incidents.operate_port import operate_port

KEY = (Cause.GATEWAY_REFUSED, "operate_key")


@pytest.fixture
def port(monkeypatch):
    monkeypatch.setattr(detection, "SILENT_SECONDS_MIN", 0.0)
    with operate_port() as found:
        monkeypatch.setenv("AUTOPILOT_OPERATE_URL", found.url)
        yield found


@pytest.fixture
def context(port, tmp_path, monkeypatch):
    with probe_context(tmp_path, monkeypatch) as found:
        settings = found.settings.model_copy(update={"operate_url": port.url})
        yield type(found)(settings, found.pipeline, found.ledger)


@pytest.fixture
def watching(context):
    """Detection with the probe of the key, and a clock that makes each look due at once."""
    now = iter(range(0, 10**9, 60))
    probing = Probing(context, [GatewayKeyIsAccepted()], clock=lambda: next(now))
    return Detection(context.settings, PIPELINE, probing)


def look(watching, ledger, until):
    """Look again and again until `until` holds for what the probe says; the incidents that are open then."""
    deadline = time.monotonic() + 60
    while watching.probing.confirmations()[KEY].presence is not until:
        assert time.monotonic() < deadline
        watching.record(ledger)
        time.sleep(0.01)
    watching.record(ledger)
    return ledger.observed_incidents(PIPELINE)


def test_a_refusal_is_an_incident_of_its_own_until_the_key_is_accepted(port, context, watching):
    port.refuses = True
    [incident] = look(watching, context.ledger, Presence.CONFIRMED)
    assert (incident.cause, incident.subject) == KEY
    assert DEFAULT_REMEDIES[incident.cause] == (Remedy.ESCALATE,)
    assert not watching.gateway_changed()
    assert "AUTOPILOT_OPERATE_KEY" in watching.probing.confirmations()[KEY].reason
    port.refuses = False
    look(watching, context.ledger, Presence.ABSENT)
    signals = Signals((), (), {}, (), None, watching.probing.confirmations())
    assert confirm(incident, signals).presence is Presence.ABSENT


def test_a_silent_gateway_says_nothing_about_the_key(port, context, watching):
    port.is_silent = True
    deadline = time.monotonic() + 60
    while not (incidents := context.ledger.observed_incidents(PIPELINE)):
        assert time.monotonic() < deadline
        watching.record(context.ledger)
    assert [each.cause for each in incidents] == [Cause.GATEWAY_DOWN]
    assert watching.probing.confirmations()[KEY].presence is Presence.INCONCLUSIVE
