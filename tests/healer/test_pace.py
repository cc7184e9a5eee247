"""The healer waits a second between passes, and goes on at once when the gateway reports another problem."""

import threading
import time

import pytest
from prefect.settings import temporary_settings

from healer.pace import SOON_SECONDS, TICK_SECONDS, pause
from tasks.config.settings import load_settings
from tasks.incidents.detection import Detection
from tasks.incidents.probing import Probing
from tests.published import PIPELINE
from tests.tasks.incidents.contexts import probe_context
from tests.tasks.incidents.operate_port import operate_port
from tests.tasks.incidents.stories import NO_PREFECT


@pytest.fixture
def port():
    with operate_port() as opened:
        yield opened


@pytest.fixture
def ledger_and_detection(tmp_path, monkeypatch, port):
    monkeypatch.setenv("AUTOPILOT_OPERATE_URL", port.url)
    with probe_context(tmp_path, monkeypatch) as context, temporary_settings(NO_PREFECT):
        detection = Detection(load_settings(), PIPELINE, Probing(context, []))
        detection.record(context.ledger)
        yield context.ledger, detection


@pytest.fixture
def detection(ledger_and_detection):
    return ledger_and_detection[1]


def paused_seconds(detection, *, is_soon=False, wake=None):
    started = time.monotonic()
    pause(wake or threading.Event(), detection, started, is_soon)
    return time.monotonic() - started


def test_without_news_it_waits_a_whole_second(detection):
    assert paused_seconds(detection) >= TICK_SECONDS - 0.01


def test_another_problem_ends_the_wait(detection, port, monkeypatch):
    port.problems = lambda: [("model_failing", "a" * 64)]
    asked = []
    real = Detection.gateway_changed
    monkeypatch.setattr(Detection, "gateway_changed", lambda this: asked.append(real(this)) or asked[-1])
    paused_seconds(detection)
    assert asked == [True]  # the first glance, after a quarter of the second


def test_a_problem_that_is_known_does_not_end_it(ledger_and_detection, port):
    ledger, detection = ledger_and_detection
    port.problems = lambda: [("model_failing", "a" * 64)]
    detection.record(ledger)
    assert not detection.gateway_changed()
    port.problems = list
    assert detection.gateway_changed()


def test_a_gateway_that_falls_silent_is_news_once(ledger_and_detection, monkeypatch):
    ledger, detection = ledger_and_detection
    monkeypatch.setattr(Detection, "read_gateway", lambda _: None)
    assert detection.gateway_changed()
    detection.record(ledger)
    assert not detection.gateway_changed()  # each look at a hung gateway takes seconds


def test_silence_counts_by_its_time_and_not_only_by_the_number_of_looks(ledger_and_detection, monkeypatch):
    ledger, detection = ledger_and_detection
    monkeypatch.setattr(Detection, "read_gateway", lambda _: None)
    for _ in range(6):  # quick passes, while another incident advances
        detection.record(ledger)
    assert ledger.incidents(PIPELINE) == []


def test_passes_follow_sooner_while_an_incident_advances(detection):
    assert paused_seconds(detection, is_soon=True) >= SOON_SECONDS - 0.01


def test_a_stop_ends_the_wait(detection, monkeypatch):
    wake = threading.Event()
    wake.set()
    monkeypatch.setattr(Detection, "gateway_changed", lambda _: pytest.fail("it goes on"))
    paused_seconds(detection, wake=wake)
