"""The post-promotion check on a toy with two models: only a worse champion is rolled back."""

import pytest
from skops import io as skops_io

from flows.heal import heal
from flows.monitor import monitor
from healing.incident import Cause, Status
from healing.release import Challenger, Mode, Reason, Release
from healing.verdict import Outcome
from releases.log import ReleaseLog, promotion_of, trial_of
from releases.signing import ensure_keys
from tasks.config.settings import Settings, load_settings
from tasks.ledger.store import Ledger
from tasks.monitoring.checks.promotion import CHECK
from tasks.training.dataset import read_dataset
from tasks.training.fit import fit_model
from tasks.training.mlflow_registry import RegisteredModel
from tasks.training.plan import plan_training
from tasks.training.publish import PublishRequest, publish
from tests.published import NOW, corrupt
from tests.toy import PIPELINE, PIPELINES_DIR, toy_labels, toy_pipeline, write_days

LEARNED = 56  # days on which both models are trained and accepted


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(PIPELINES_DIR))
    settings = load_settings()
    write_days(settings.lake_root(PIPELINE), 0, LEARNED)
    return settings


def published(settings, version, change=None):
    """A model of the toy whose coefficients `change` modified."""
    labels = toy_labels(settings.lake_root(PIPELINE))
    plan = plan_training(toy_pipeline(), labels, None, None)
    trained = fit_model(plan, read_dataset(plan, labels), toy_pipeline().estimator)
    if change is not None:
        change(trained.estimator[-1])
    registered = RegisteredModel("run", "1", version, plan.key, NOW, 0.1, "test", {})
    request = PublishRequest(plan, trained.dataset, registered, skops_io.dumps(trained.estimator))
    return publish(request, settings.release_root(PIPELINE), ensure_keys(settings.keys_dir))


def promoted(settings, before, after):
    """A release log in which `after` was promoted over `before`."""
    log = ReleaseLog(settings.release_root(PIPELINE))
    log.append(Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=before, baseline=0.5))
    trial = trial_of(log.current(), Challenger(after, Mode.CANARY, 0.5), author="test", now=NOW)
    log.append(trial)
    log.append(promotion_of(trial, author="test", now=NOW))
    return log


def upside_down(model):
    model.coef_[:] = -model.coef_


def a_little_shrunk(model):
    model.coef_[:] *= 0.95


def promotion_check(settings):
    with Ledger(settings.ledger_dsn) as ledger:
        return next(record for record in ledger.latest_checks(PIPELINE) if record.verdict.check == CHECK)


def test_a_worse_promoted_model_is_rolled_back(settings):
    before, after = published(settings, "1.0.0"), published(settings, "1.0.1", upside_down)
    log = promoted(settings, before, after)
    write_days(settings.lake_root(PIPELINE), LEARNED, 6)
    monitor(PIPELINE)
    assert promotion_check(settings).verdict.failed
    assert "1.0.1 compared with 1.0.0" in promotion_check(settings).verdict.reason
    heal(PIPELINE)
    assert log.current().reason is Reason.ROLLBACK
    assert log.current().champion == before
    with Ledger(settings.ledger_dsn) as ledger:
        bad = [i for i in ledger.incidents(PIPELINE) if i.cause is Cause.BAD_CANDIDATE]
    assert [(incident.subject, incident.status) for incident in bad] == [(after.digest, Status.RECOVERED)]
    monitor(PIPELINE)
    assert promotion_check(settings).verdict.reason == "no promotion is being checked"


def test_an_equally_good_promoted_model_stays(settings):
    before, after = published(settings, "1.0.0"), published(settings, "1.0.1", a_little_shrunk)
    log = promoted(settings, before, after)
    write_days(settings.lake_root(PIPELINE), LEARNED, 14)
    report = monitor(PIPELINE)
    assert report.incident_id is None
    assert promotion_check(settings).verdict.outcome is Outcome.INCONCLUSIVE
    heal(PIPELINE)
    assert log.current().champion == after


def test_without_labels_the_check_is_inconclusive(settings):
    log = promoted(settings, published(settings, "1.0.0"), published(settings, "1.0.1", upside_down))
    write_days(settings.lake_root(PIPELINE), LEARNED, 6, labels=False)
    monitor(PIPELINE)
    assert "0 of 720 labelled" in promotion_check(settings).verdict.reason
    assert log.current().reason is Reason.PROMOTE


def test_without_the_model_before_the_check_is_inconclusive(settings):
    before, after = published(settings, "1.0.0"), published(settings, "1.0.1", upside_down)
    promoted(settings, before, after)
    corrupt(settings.release_root(PIPELINE), before)
    write_days(settings.lake_root(PIPELINE), LEARNED, 6)
    monitor(PIPELINE)
    verdict = promotion_check(settings).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "1.0.0, the champion before, cannot be opened" in verdict.reason
