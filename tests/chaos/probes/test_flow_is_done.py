"""A release that the drill started counts as done once it was promoted, is served, and nothing more happens."""

from datetime import UTC, datetime

import pytest

from chaos.actions.request_flow import FLOW_START
from chaos.controls.timings import START
from chaos.flow_work import MISSING_WORK
from chaos.probes.flow_is_done import flow_is_done
from chaos.record import recall, remember, samples
from chaos.recovery import INDICATOR_MET, SERVICE_RESTORED, onset
from healing.evidence import Evidence
from healing.incident import Cause
from healing.release import Reason
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from tasks.ledger.store import Ledger
from tests.chaos.gateway_double import gateway_double, home_of
from tests.published import PIPELINE, bootstrap, end_trial, publish_tiny_model, start_canary


@pytest.fixture
def configuration(tmp_path):
    """A drill that started the release of the second model on a stack whose champion is the first."""
    with gateway_double() as (_, url):
        home = home_of(tmp_path / "home", url)
        directory = home / "drills" / "one"
        directory.mkdir(parents=True)
        Ledger(f"sqlite:///{home / 'ledger.db'}").close()
        remember(directory, START, {"ledger_id": 0, "at": 0.0})
        remember(directory, FLOW_START, {"flow": "release", "generation": 1})
        yield {"home": str(home), "pipeline": PIPELINE, "drill_dir": str(directory)}, home, directory


@pytest.fixture
def models(configuration):
    _, home, _ = configuration
    root, keys = home / "releases" / PIPELINE, ensure_keys(home / "keys")
    made = [publish_tiny_model(root, keys, version=f"0.{seed}.0", seed=seed) for seed in (1, 2)]
    bootstrap(root, made[0])
    start_canary(root, made[1], 0.5)
    return root, *made


def done(configuration, **options):
    return flow_is_done("promoted", 0.0, options.pop("deadline_seconds", 0.0), configuration[0], **options)


def test_a_trial_that_is_not_over_is_not_done(configuration, models):
    assert not done(configuration)
    assert recall(configuration[2], MISSING_WORK) == ["a trial is not over"]


def test_a_promotion_that_is_served_is_done(configuration, models):
    root, champion, candidate = models
    end_trial(root, reason=Reason.PROMOTE, champion=candidate, fallbacks=(champion,))
    assert done(configuration)
    assert recall(configuration[2], MISSING_WORK) == []
    assert {onset(samples(configuration[2]), fact) is None for fact in (INDICATOR_MET, SERVICE_RESTORED)} == {False}


def test_beside_a_batch_the_times_are_those_of_the_batch(configuration, models):
    root, champion, candidate = models
    end_trial(root, reason=Reason.PROMOTE, champion=candidate, fallbacks=(champion,))
    assert done(configuration, beside_batch=True)
    assert samples(configuration[2]) == []


def test_an_open_incident_keeps_it_from_being_whole(configuration, models):
    root, champion, candidate = models
    end_trial(root, reason=Reason.PROMOTE, champion=candidate, fallbacks=(champion,))
    with Ledger(f"sqlite:///{configuration[1] / 'ledger.db'}") as ledger:
        ledger.record_evidence(Evidence(PIPELINE, Cause.DISK_FULL, "state", "probe", datetime.now(UTC)))
    assert not done(configuration)
    assert recall(configuration[2], MISSING_WORK) == ["incident disk_full is open"]


def test_what_is_done_has_to_stay_so(configuration, models, monkeypatch):
    """A trial begins a moment after the promotion: the work is being done twice."""
    root, champion, candidate = models
    end_trial(root, reason=Reason.PROMOTE, champion=candidate, fallbacks=(champion,))

    def sleep_while_a_trial_begins(_):
        if ReleaseLog(root).current().challenger is None:
            start_canary(root, champion, 0.5)

    monkeypatch.setattr("chaos.probes.flow_is_done.time.sleep", sleep_while_a_trial_begins)
    assert not flow_is_done("promoted", 0.5, 1.0, configuration[0])
    assert recall(configuration[2], MISSING_WORK) == ["a trial is not over"]
