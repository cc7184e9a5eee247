"""Changes of the release log: races, aborts, fences, stranded trials and fallbacks."""

import threading

import pytest

from releases.log import ReleaseLog, abort_of
from releases.signing import ensure_keys
from tasks.rollout.release_changes import abort_trial, commit_next, drop_fallback
from tests.published import NOW, bootstrap, publish_tiny_model, start_canary


@pytest.fixture
def keys(tmp_path):
    return ensure_keys(tmp_path / "keys")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "releases"


@pytest.fixture
def models(root, keys):
    return [publish_tiny_model(root, keys, version=f"0.{seed}.0", seed=seed) for seed in (1, 2, 3)]


def test_after_a_lost_race_the_change_is_decided_again_on_the_new_release(root, models):
    bootstrap(root, models[0])
    start_canary(root, models[1], 0.5)
    seen = []

    def decide(current):
        seen.append(current.generation)
        if len(seen) == 1:
            ReleaseLog(root).append(abort_of(current, author="somebody else", now=NOW))
        return abort_of(current, author="test", now=NOW) if current.challenger else None

    assert commit_next(root, decide) is None
    assert seen == [2, 3]
    assert ReleaseLog(root).current().author == "somebody else"


def test_concurrent_aborts_write_one_release(root, models):
    bootstrap(root, models[0])
    start_canary(root, models[1], 0.5)
    barrier, written = threading.Barrier(4), []

    def abort():
        barrier.wait()
        written.append(abort_trial(root, models[1].digest, author="test"))

    threads = [threading.Thread(target=abort) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(release is not None for release in written) == 1
    assert ReleaseLog(root).latest_generation() == 3


def test_an_abort_fences_the_challenger_only_with_fence(root, models):
    bootstrap(root, models[0])
    start_canary(root, models[1], 0.5)
    assert abort_trial(root, models[1].digest, author="release", note="too little traffic").fenced == ()
    start_canary(root, models[1], 0.5)
    aborted = abort_trial(root, models[1].digest, author="heal", note="quality: 0.03 more", fence=True)
    assert [(fence.digest, fence.by, fence.why) for fence in aborted.fenced] == [
        (models[1].digest, "heal", "quality: 0.03 more")
    ]


def test_dropping_a_fallback_again_writes_nothing(root, models):
    bootstrap(root, models[2], fallbacks=(models[1], models[0]))
    assert drop_fallback(root, models[1].digest, author="test").fallbacks == (models[0],)
    assert drop_fallback(root, models[1].digest, author="test") is None
