"""A challenger that is worse live than it was offline is aborted by the name of the reason, and no client notices."""

from dataclasses import replace

import numpy as np
import pytest

from healing.release import Mode, Reason
from healing.trial_rules import DEFAULT_RULES, TrialCheck
from releases.log import ReleaseLog
from releases.manifest import ReferenceProfile
from tests.gateway.guards.test_trial import DECILES
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway
from tests.odd_models import SLOW_TYPE, SlowClassifier
from tests.published import (
    bootstrap,
    frame,
    nan_estimator,
    publish_tiny_model,
    raising_estimator,
    start_canary,
    tiny_estimator,
    tiny_rows,
)

pytestmark = pytest.mark.timeout(300)  # see test_faults
WEIGHT = 0.3
OPTIONS = ("--trusted-types", SLOW_TYPE, "--batch-deadline-seconds", "5")
RULES = replace(DEFAULT_RULES, votes=frozenset(TrialCheck))


def sound_reference() -> ReferenceProfile:
    answers = tiny_estimator().predict_proba(frame(tiny_rows(500)))[:, 1]
    deciles = tuple(float(decile) for decile in np.quantile(answers, DECILES))
    return ReferenceProfile(rows=500, answer_deciles=deciles)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, keys):
    """A gateway whose champion is known: enough clients were answered."""
    home = tmp_path_factory.mktemp("trials")
    root = home / "releases"
    bootstrap(root, publish_tiny_model(root, keys, reference=sound_reference()))
    with run_gateway(root, keys, home / "gateway", *OPTIONS) as gateway:
        gateway.wait_for_generation(1)
        with keep_asking(gateway) as load:
            load.wait_for(200)
        yield gateway, root


def aborted_note(stage, challenger, mode, weight, rows=None):
    """What the gateway wrote when it had seen enough; no client got anything but an answer."""
    gateway, root = stage
    trial = start_canary(root, challenger, weight, mode, RULES)
    gateway.wait_for_generation(trial.generation)
    with keep_asking(gateway, clients=6, rows=rows) as load:
        gateway.wait_for_generation(trial.generation + 1)
    assert load.failed == []
    assert load.rungs["baseline"] == load.rungs["fallback"] == 0
    release = ReleaseLog(root).current()
    assert release is not None
    assert (release.reason, release.challenger) == (Reason.ABORT, None)
    return release.note


RARE = [*tiny_rows(7), ["AA", 0, 3]]  # the last is the one in eight on which the model answers NaN
UNSEEN = [*tiny_rows(7), ["ZZ", 1.0, 3]]  # and on which it raises


@pytest.mark.parametrize(("estimator", "rows"), [(nan_estimator, RARE), (raising_estimator, UNSEEN)])
def test_one_that_has_no_number_for_a_rare_row_is_aborted_for_errors(stage, keys, estimator, rows):
    challenger = publish_tiny_model(stage[1], keys, version="1.0.0", estimator=estimator())
    assert aborted_note(stage, challenger, Mode.CANARY, WEIGHT, rows).startswith("errors: challenger failed ")


@pytest.mark.parametrize("mode", Mode)
def test_one_that_takes_a_fifth_of_a_second_a_row_is_aborted_for_latency(stage, keys, mode):
    (champion,) = (worker for worker in stage[0].release()["workers"] if worker["role"] == "champion")
    crowded_seconds = 4 * champion["lately"]["latency_p99_seconds"]  # on a crowded machine 0.2 s is nothing special
    slow = SlowClassifier(row_seconds=max(0.2, crowded_seconds))
    challenger = publish_tiny_model(stage[1], keys, version=f"2.{len(mode)}.0", estimator=slow)
    assert aborted_note(stage, challenger, mode, WEIGHT).startswith("latency: challenger was slow in ")


@pytest.mark.parametrize("mode", Mode)
def test_one_whose_live_answers_are_not_what_it_was_trained_to_give_is_aborted_for_predictions(stage, keys, mode):
    skewed, trained = SlowClassifier(lowest=0.75), sound_reference()
    challenger = publish_tiny_model(stage[1], keys, version=f"3.{len(mode)}.0", estimator=skewed, reference=trained)
    assert aborted_note(stage, challenger, mode, WEIGHT).startswith("predictions: ")


def test_a_shadow_that_disagrees_with_what_clients_are_told_is_aborted_for_disagreement(stage, keys):
    reference, other = ReferenceProfile(rows=500, disagreement=0.05), SlowClassifier(lowest=0.75)
    challenger = publish_tiny_model(stage[1], keys, version="4.0.0", estimator=other, reference=reference)
    assert aborted_note(stage, challenger, Mode.SHADOW, 1.0).startswith("disagreement: ")
