"""The control plane signs the releases that it writes, and none on top of a forged one."""

import pytest

from healing.errors import ConfigError, LogCorrupt
from releases.log import ReleaseLog, abort_of, promotion_of
from releases.release_signature import is_signed_by
from releases.signing import ensure_keys
from releases.trusted_log import Signatures, Signing
from tasks.config.settings import Settings
from tasks.rollout.release_changes import abort_trial, commit_next, signing_of
from tests.published import NOW, bootstrap, publish_tiny_model, start_canary


@pytest.fixture
def trial(tmp_path):
    """A release root with an unsigned trial, and the settings of its owner."""
    settings = Settings(home=tmp_path, release_signatures=Signatures.IF_PRESENT)
    keys, root = ensure_keys(settings.keys_dir), settings.release_root("tiny")
    bootstrap(root, publish_tiny_model(root, keys))
    start_canary(root, publish_tiny_model(root, keys, version="0.2.0", seed=1), 0.1)
    return settings, root


def promoted(current):
    return promotion_of(current, author="release", now=NOW)


def test_a_promotion_is_signed_and_an_abort_is_not(trial):
    settings, root = trial
    commit_next(root, promoted, signing_of(settings))
    start_canary(root, publish_tiny_model(root, ensure_keys(settings.keys_dir), version="0.3.0", seed=2), 0.1)
    abort_trial(root, None, author="heal", note="errors")
    _, _, promotion, _, abort = ReleaseLog(root).history()
    assert is_signed_by(promotion, settings.keys_dir / "release-signing.pub.pem")
    assert abort.signature == ""


def test_where_signatures_are_required_nothing_follows_an_unsigned_trial(trial):
    settings, root = trial
    signing = Signing(signing_of(settings).keys, Signatures.REQUIRED)
    with pytest.raises(LogCorrupt, match=r"release 2 \(canary by 'test'\) is not signed"):
        commit_next(root, promoted, signing)
    assert ReleaseLog(root).latest_generation() == 2
    commit_next(root, lambda current: abort_of(current, author="heal", now=NOW))
    assert ReleaseLog(root).latest_generation() == 3


def test_without_a_private_key_releases_are_unsigned_or_refused(tmp_path):
    assert signing_of(Settings(home=tmp_path)) is None
    with pytest.raises(ConfigError, match="expected the private key"):
        signing_of(Settings(home=tmp_path, release_signatures=Signatures.REQUIRED))
