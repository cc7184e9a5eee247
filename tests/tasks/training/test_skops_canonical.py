import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from skops import io

from healing.errors import ModelCorrupt
from releases.flavours.sklearn_skops import read_estimator
from tasks.training.mlflow_tracking import model_digest
from tasks.training.skops_canonical import canonical_skops

GENERATOR = np.random.default_rng(1)
INPUTS = GENERATOR.normal(size=(600, 3))
LABELS = (INPUTS[:, 0] > 0).astype(int)


def fitted(**parameters):
    return HistGradientBoostingClassifier(max_iter=5, random_state=0, **parameters).fit(INPUTS, LABELS)


def test_equal_models_have_equal_canonical_files_although_their_own_bytes_differ():
    first, second = (io.dumps(fitted()) for _ in range(2))
    assert first != second
    assert canonical_skops(first) == canonical_skops(second)


def test_a_canonical_file_loads_to_the_same_model_and_is_its_own_canonical_form():
    model = fitted()
    content = canonical_skops(io.dumps(model))
    loaded = read_estimator(content, origin="test")
    np.testing.assert_array_equal(loaded.predict_proba(INPUTS), model.predict_proba(INPUTS))
    assert canonical_skops(content) == content


def test_another_model_has_another_digest():
    assert model_digest(fitted()) != model_digest(fitted(learning_rate=0.2))


def test_another_process_writes_the_same_file():
    code = "from tests.tasks.training.test_skops_canonical import *; print(model_digest(fitted()))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert other.stdout.strip() == model_digest(fitted())


@pytest.mark.parametrize("content", [b"", b"no zip at all"])
def test_bytes_that_are_not_a_skops_file_are_corrupt(content):
    with pytest.raises(ModelCorrupt, match="expected a skops file"):
        canonical_skops(content)
