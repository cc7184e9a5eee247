"""Which earlier champions are opened from the release log: the newest, none that is fenced, damaged or rolled back."""

from datetime import timedelta

import pytest

from healing.release import Challenger, Mode, Reason
from releases.log import ReleaseLog, abort_of, promotion_of, rollback_of, trial_of
from releases.signing import ensure_keys
from tasks.rollout.earlier_champions import open_earlier_champions
from tests.published import BASELINE, NOW, bootstrap, corrupt, publish_tiny_model


@pytest.fixture
def world(tmp_path):
    """Four models that were champion one after the other; the last one serves."""
    keys = ensure_keys(tmp_path / "keys")
    models = [publish_tiny_model(tmp_path, keys, version=f"0.{seed}.0", seed=seed) for seed in range(4)]
    bootstrap(tmp_path, models[0])
    for number, model in enumerate(models[1:], 1):
        promote(tmp_path, model, number)
    return tmp_path, keys.public, models


def promote(root, model, day):
    log, at = ReleaseLog(root), NOW + timedelta(days=day)
    trial = trial_of(log.current(), Challenger(model, Mode.CANARY, 0.5), author="test", now=at)
    log.append(trial)
    log.append(promotion_of(trial, author="test", now=at))


def opened(world, count=5):
    root, public_key, models = world
    found = open_earlier_champions(root, public_key, count)
    return [next(place for place, model in enumerate(models) if model.digest == digest) for digest in found]


def test_the_newest_come_first_and_their_number_is_bounded(world):
    assert opened(world) == [2, 1, 0]
    assert opened(world, count=2) == [2, 1]


def test_a_damaged_model_is_left_out_and_an_older_one_takes_its_place(world):
    root, _, models = world
    corrupt(root, models[2])
    assert opened(world, count=2) == [1, 0]


def test_a_model_that_a_rollback_replaced_is_fenced_and_never_opened(world):
    root, _, models = world
    log = ReleaseLog(root)
    log.append(rollback_of(log.current(), models[2], BASELINE, author="test", now=NOW + timedelta(days=9)))
    assert opened(world) == [1, 0]


def test_a_model_whose_return_was_aborted_with_a_fence_is_never_opened_again(world):
    root, _, models = world
    log, at = ReleaseLog(root), NOW + timedelta(days=9)
    log.append(trial_of(log.current(), Challenger(models[1], Mode.CANARY, 0.5), author="test", now=at))
    log.append(abort_of(log.current(), author="test", now=at, note="it fails", fence=True))
    assert log.current().reason is Reason.ABORT
    assert opened(world) == [2, 0]


def test_an_empty_log_has_none(tmp_path):
    assert open_earlier_champions(tmp_path, tmp_path / "public.pem", 5) == {}
