"""Two gateways with state of their own follow one release log."""

import pytest

from healing.release import Reason
from releases.log import ReleaseLog
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, end_trial, nan_estimator, publish_tiny_model, start_canary

pytestmark = pytest.mark.timeout(300)  # see test_faults


def test_a_release_reaches_both_and_the_abort_by_one_reaches_the_other(root, keys, state_dir, tmp_path):
    champion, next_champion = (publish_tiny_model(root, keys, version=f"1.0.{n}", seed=n) for n in (1, 2))
    bootstrap(root, champion)
    with run_gateway(root, keys, state_dir) as first, run_gateway(root, keys, tmp_path / "other") as second:
        both = (first, second)
        for gateway in both:
            gateway.wait_for_generation(1)
        release = end_trial(root, reason=Reason.ROLLBACK, champion=next_champion)
        for gateway in both:
            gateway.wait_for_generation(release.generation)
            assert gateway.ask().headers["x-model-digest"] == next_champion.digest
        challenger = publish_tiny_model(root, keys, version="1.0.3", estimator=nan_estimator())
        trial = start_canary(root, challenger, 0.2)
        for gateway in both:
            gateway.wait_for_generation(trial.generation)
        with keep_asking(first, rows=[["AA", 0, 3]]) as load:  # the second gets no request and sees no failure
            for gateway in both:
                gateway.wait_for_generation(trial.generation + 1)
        assert load.failed == []
        aborted = ReleaseLog(root).current()
        assert aborted is not None
        assert (aborted.reason, aborted.author) == (Reason.ABORT, "gateway")
        for gateway in both:
            wait_until(lambda g=gateway: g.release()["trial"] is None, "the trial is over")
            assert gateway.release()["release"]["challenger"] is None
