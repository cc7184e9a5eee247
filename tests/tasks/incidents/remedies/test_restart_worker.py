"""A slow restart says nothing against the model, a second death does; a model out of service is left alone."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from healing.incident import AttemptOutcome, Cause
from healing.verdict import Outcome
from releases.signing import ensure_keys
from tasks.config.settings import Settings
from tasks.incidents.remedies.restart_worker import REMEDIES, REPORT_SECONDS_MAX
from tasks.runtime.clock import current_moment
from tests.published import PIPELINE, bootstrap, publish_tiny_model
from tests.tasks.incidents.operate_port import operate_port


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture
def champion(settings):
    root = settings.release_root(PIPELINE)
    model = publish_tiny_model(root, ensure_keys(settings.keys_dir))
    bootstrap(root, model)
    return model.digest


def context(settings, port, digest, cause=Cause.MODEL_FAILING, applied=None):
    incident = SimpleNamespace(subject=digest, pipeline=PIPELINE, cause=cause)
    with_port = settings.model_copy(update={"operate_url": port.url})
    return SimpleNamespace(settings=with_port, incident=incident, attempt=SimpleNamespace(applied=applied))


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("starting", Outcome.INCONCLUSIVE),
        ("failed", Outcome.INCONCLUSIVE),  # it waits for its next start
        ("set_aside", Outcome.FAIL),
        ("ready starting", Outcome.INCONCLUSIVE),
        ("ready silent", Outcome.INCONCLUSIVE),  # the second one hangs
        ("set_aside starting", Outcome.INCONCLUSIVE),
        ("set_aside set_aside", Outcome.FAIL),
        ("ready set_aside", Outcome.PASS),  # the version answers; the gateway reports the missing worker
        ("ready ready", Outcome.PASS),
    ],
)
def test_only_workers_that_are_all_set_aside_speak_against_their_model(settings, champion, state, outcome):
    with operate_port() as port:
        port.workers[champion] = state
        assert REMEDIES[0].observe(context(settings, port, champion)).outcome is outcome


def test_a_worker_that_grows_after_each_restart_is_not_restarted_once_more(settings, champion):
    with operate_port() as port:
        port.workers[champion], port.keeps_growing = "ready", True
        result = REMEDIES[0].apply(context(settings, port, champion))
        assert (result.outcome, port.restarts) == (AttemptOutcome.FUTILE, [])
        assert "grows beyond its memory limit" in result.note


def test_the_worker_of_a_model_that_left_service_is_not_restarted(settings, champion):
    """As when the gateway aborts a trial at the same time: its copy of the model may be gone already."""
    with operate_port() as port:
        result = REMEDIES[0].apply(context(settings, port, "b" * 64))
        assert (result.outcome, port.restarts) == (AttemptOutcome.FUTILE, [])
        assert REMEDIES[0].apply(context(settings, port, champion)).outcome is AttemptOutcome.SUCCEEDED
        assert len(port.restarts) == 1


def test_a_restart_whose_model_leaves_service_meanwhile_ends_at_once(settings, champion):
    with operate_port() as port:
        port.workers["b" * 64] = "starting"
        assert REMEDIES[0].observe(context(settings, port, "b" * 64)).outcome is Outcome.FAIL


def test_a_restart_may_take_several_times_as_long_as_on_a_quiet_machine():
    assert REMEDIES[0].verify_seconds_max >= 4 * 15


@pytest.mark.parametrize(("seconds", "outcome"), [(0.0, Outcome.INCONCLUSIVE), (REPORT_SECONDS_MAX + 1, Outcome.FAIL)])
def test_a_model_whose_new_worker_is_slow_as_well_is_not_restored(settings, champion, seconds, outcome):
    now = current_moment()
    applied = replace(now, wall=now.wall - timedelta(seconds=seconds), boot_seconds=now.boot_seconds - seconds)
    with operate_port() as port:
        port.workers[champion] = "ready"
        port.problems = lambda: [("model_slow", champion)]
        assert REMEDIES[0].observe(context(settings, port, champion, Cause.MODEL_SLOW, applied)).outcome is outcome
