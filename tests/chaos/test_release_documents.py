from dataclasses import replace

import pytest

from chaos import release_documents
from healing.release import Reason
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.trusted_log import Signatures, TrustedLog
from tests.published import bootstrap, publish_tiny_model


@pytest.fixture
def root(tmp_path):
    bootstrap(tmp_path, publish_tiny_model(tmp_path, ensure_keys(tmp_path / "keys")))
    return tmp_path


def test_an_appended_release_is_read_by_the_release_log(root):
    model = {"digest": "d" * 64, "version": "0.0.1"}
    challenger = {"model": model, "mode": "canary", "weight": 0.5}
    release_documents.append(root, "canary", {"challenger": challenger})
    release_documents.append(root, "abort", {"challenger": None})
    first, trial, aborted = ReleaseLog(root).history()
    assert (trial.reason, trial.author, trial.challenger.weight) == (Reason.CANARY, "drill", 0.5)
    assert (aborted.reason, aborted.champion) == (Reason.ABORT, first.champion)


def test_an_appended_release_has_not_the_signature_of_the_one_before(root, tmp_path):
    keys = ensure_keys(tmp_path / "keys")
    trusted = TrustedLog(ReleaseLog(root), keys.public, Signatures.IF_PRESENT)
    trusted.append(replace(trusted.log.current(), generation=2, reason=Reason.REPUBLISH), keys)
    release_documents.append(root, "republish", {})
    assert [bool(release.signature) for release in trusted.log.history()] == [False, True, False]
    assert trusted.newest(after=0) == (trusted.log.current(), "")


def test_two_writers_cannot_both_commit(root, monkeypatch):
    stale = release_documents.newest(root)
    release_documents.append(root, "canary", {})
    monkeypatch.setattr(release_documents, "newest", lambda _: stale)
    with pytest.raises(FileExistsError):
        release_documents.append(root, "canary", {})
    assert not list((root / "log").glob(".drill-*"))


def test_a_log_without_a_release_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a release"):
        release_documents.newest(tmp_path)
