"""The release that a rollback commits: its champion, its warm fallbacks and its fences."""

import pytest

from healing.errors import IllegalTransition, UsageError
from healing.release import Reason
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from tasks.rollout.rollback import NothingToRollBackTo, RollbackOrder, roll_back
from tests.published import PIPELINE, bootstrap, corrupt, end_trial, publish_tiny_model, start_canary


@pytest.fixture
def keys(tmp_path):
    return ensure_keys(tmp_path / "keys")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "releases"


@pytest.fixture
def models(root, keys):
    return [publish_tiny_model(root, keys, version=f"0.{seed}.0", seed=seed) for seed in (1, 2, 3)]


def order(**chosen):
    return RollbackOrder(PIPELINE, "test", **chosen)


def promote(root, model, fallbacks=()):
    start_canary(root, model, 0.5)
    end_trial(root, reason=Reason.PROMOTE, champion=model, fallbacks=fallbacks)


def test_a_repeated_rollback_writes_nothing(root, keys, models):
    bootstrap(root, models[1], fallbacks=(models[0],))
    first = roll_back(root, keys.public, order(away_from=models[1].digest))
    again = roll_back(root, keys.public, order(away_from=models[1].digest))
    assert first == again
    assert ReleaseLog(root).latest_generation() == 2


def test_a_rollback_keeps_the_other_intact_fallbacks_warm(root, keys, models):
    bootstrap(root, models[2], fallbacks=(models[1], models[0]))
    release = roll_back(root, keys.public, order())
    assert (release.champion, release.fallbacks) == (models[1], (models[0],))
    assert release.reason is Reason.ROLLBACK


def test_a_rollback_without_a_release_is_refused_with_advice(root, keys):
    with pytest.raises(UsageError, match="autopilot bootstrap"):
        roll_back(root, keys.public, order())


def test_a_rollback_to_the_only_fallback_warms_up_another_model(root, keys, models):
    oldest, middle, champion = models
    bootstrap(root, oldest)
    promote(root, middle)
    promote(root, champion, fallbacks=(middle,))
    release = roll_back(root, keys.public, order(to=middle.version))
    assert (release.champion, release.fallbacks) == (middle, (oldest,))
    assert release.fence_of(champion.digest) is not None


def test_a_fenced_model_needs_its_name_and_a_person(root, keys, models):
    older, champion, _ = models
    bootstrap(root, older)
    promote(root, champion)
    roll_back(root, keys.public, order(reason="it was wrong about AA"))
    with pytest.raises(NothingToRollBackTo, match=r"fenced one \(0\.2\.0 .*--to and --unfence-by"):
        roll_back(root, keys.public, order())
    with pytest.raises(IllegalTransition, match=r"fenced by test .*it was wrong about AA"):
        roll_back(root, keys.public, order(to=champion.version))
    with pytest.raises(UsageError, match="name it by --to"):
        roll_back(root, keys.public, order(unfence_by="Ada"))
    release = roll_back(root, keys.public, order(to=champion.version, unfence_by="Ada"))
    assert (release.champion, release.unfenced_by) == (champion, "Ada")
    assert [fence.digest for fence in release.fenced] == [older.digest]
    assert ReleaseLog(root).current() == release


def test_a_corrupt_model_becomes_neither_champion_nor_fallback(root, keys, models):
    oldest, middle, champion = models
    bootstrap(root, oldest)
    promote(root, middle)
    promote(root, champion, fallbacks=(middle, oldest))
    corrupt(root, middle)
    release = roll_back(root, keys.public, order())
    assert (release.champion, release.fallbacks) == (oldest, ())
    with pytest.raises(NothingToRollBackTo, match=r"0\.2\.0 .*none of these"):
        roll_back(root, keys.public, order(to=middle.version))
