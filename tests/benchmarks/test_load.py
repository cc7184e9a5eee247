"""The benchmarks' load against a real server: figures are computed from what the client recorded."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving.load import Load, send
from benchmarks.serving.targets import GATEWAY, Target
from benchmarks.serving.world import World
from tests.chaos.model_server import model_server


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {}, {}, 0.2, ["distance"], [], [[float(n)] for n in range(8)], [str(n) for n in range(8)])


@pytest.fixture
def server():
    with model_server() as running:
        yield running


def target(server, world):
    return Target("server", server.server_address[1], GATEWAY, world)


def load(**changed: object) -> Load:
    return Load(**({"clients": 2, "seconds": 0.5, "warmup_seconds": 0.0, "timeout_seconds": 0.3} | changed))


def test_answers_are_counted_by_what_their_headers_name(server, world):
    answers = send(target(server, world), load())
    assert answers.failed == 0
    assert len(answers.status) > 10
    assert (answers.ended >= answers.due).all()
    assert (answers.rung == "champion").all()
    assert not answers.degraded.any()
    assert answers.requests_per_second == pytest.approx(len(answers.status) / 0.5)


def test_the_warm_up_is_left_out(server, world):
    answers = send(target(server, world), load(warmup_seconds=0.5))
    assert answers.due.max() - answers.due.min() <= 0.5
    assert len(server.arrivals) > len(answers.due)


def test_sampled_answers_are_compared_with_the_model(server, world):
    answers = send(target(server, world), load())
    assert answers.check(target(server, world), np.full(8, 0.25)) == 1
    assert answers.check(target(server, world), np.full(8, 0.6)) == 0


def test_a_refusal_counts_as_failed(server, world):
    server.status, server.body = 503, b"busy"
    answers = send(target(server, world), load())
    assert set(answers.status) == {503}
    assert answers.requests_per_second == 0
    assert answers.failed == len(answers.status)


def test_open_loop_keeps_its_schedule_whether_answered_or_not(server, world):
    server.delay_seconds = 30.0
    answers = send(target(server, world), load(clients=5, rate=100, seconds=1.0))
    assert 90 <= len(answers.due) <= 100
    assert answers.broken.any()
    assert answers.unsent.any()
    assert not (answers.broken & answers.unsent).any()
