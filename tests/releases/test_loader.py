import pytest

from healing.errors import ModelCorrupt
from releases.loader import load
from releases.signing import ensure_keys
from releases.store import ModelStore
from tests.published import corrupt, publish_tiny_model


def test_a_file_that_changes_after_it_was_verified_is_not_loaded(tmp_path, monkeypatch):
    keys = ensure_keys(tmp_path / "keys")
    model = publish_tiny_model(tmp_path, keys)
    verify = ModelStore.verify

    def verify_then_change(store, digest, public_key):
        manifest = verify(store, digest, public_key)
        corrupt(tmp_path, model)
        return manifest

    monkeypatch.setattr(ModelStore, "verify", verify_then_change)
    with pytest.raises(ModelCorrupt, match=r"file model\.skops should have digest"):
        load(ModelStore(tmp_path).path(model.digest), keys.public)
