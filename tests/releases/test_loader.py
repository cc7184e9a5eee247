import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from healing.errors import ModelCorrupt
from releases.answers import answers_of
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


ROWS = np.array([[0.0], [0.1], [5.0], [5.1], [10.0], [10.1]])


def test_a_model_of_several_classes_answers_the_label():
    model = LogisticRegression(C=100).fit(ROWS, [0, 0, 1, 1, 2, 2])
    assert answers_of(model, ROWS).tolist() == [0, 0, 1, 1, 2, 2]


def test_a_model_of_two_classes_answers_the_probability_of_the_second():
    model = LogisticRegression(C=100).fit(ROWS, ["early", "early", "early", "late", "late", "late"])
    assert answers_of(model, ROWS) == pytest.approx(model.predict_proba(ROWS)[:, 1])


def test_a_model_of_several_classes_without_numbers_is_refused():
    model = LogisticRegression(C=100).fit(ROWS, ["a", "a", "b", "b", "c", "c"])
    with pytest.raises(ModelCorrupt, match="3 classes needs numbers as labels, found 'a'"):
        answers_of(model, ROWS)
