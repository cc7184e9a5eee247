"""A restart that takes long says nothing about the model; a worker that dies again does."""

from types import SimpleNamespace

import pytest

from healing.verdict import Outcome
from tasks.config.settings import Settings
from tasks.incidents.remedies.restart_worker import REMEDIES
from tests.tasks.incidents.operate_port import operate_port

DIGEST = "a" * 64


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("starting", Outcome.INCONCLUSIVE),
        ("failed", Outcome.INCONCLUSIVE),  # it waits for its next start
        ("set_aside", Outcome.FAIL),
    ],
)
def test_only_a_worker_that_is_set_aside_speaks_against_its_model(tmp_path, state, outcome):
    with operate_port() as port:
        port.workers[DIGEST] = state
        settings = Settings(home=tmp_path, operate_url=port.url)
        given = SimpleNamespace(settings=settings, incident=SimpleNamespace(subject=DIGEST, pipeline="tiny"))
        assert REMEDIES[0].observe(given).outcome is outcome


def test_a_restart_may_take_several_times_as_long_as_on_a_quiet_machine():
    assert REMEDIES[0].verify_seconds_max >= 4 * 15
