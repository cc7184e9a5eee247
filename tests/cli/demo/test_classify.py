"""Answers are classified; a wrong one is a 200 with another value than the named model predicts."""

from dataclasses import replace

import pytest

from chaos.load import Answer
from cli.demo.classify import ModelCopies, RequestClass, classify, reference_answers
from cli.demo.traffic import Traffic
from cli.feature_rows import FeatureRows
from healing.release import ModelRef
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.store import ModelStore
from tests.published import SCHEMA, bootstrap, publish_tiny_model, tiny_rows

GOOD = Answer(0, "000001/0", 1.0, 1.0, 1.1, 200, (0.25,), digest="d", generation=3, rung="champion")
REFERENCES = {("d", "000001/0"): 0.25}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, RequestClass.GOOD),
        ({"degraded": True, "rung": "fallback"}, RequestClass.DEGRADED),
        ({"predictions": (0.2500001,)}, RequestClass.WRONG),
        ({"predictions": (float("nan"),)}, RequestClass.WRONG),
        ({"digest": "another"}, RequestClass.WRONG),
        ({"rung": "baseline", "degraded": True, "predictions": (0.4,)}, RequestClass.DEGRADED),
        ({"rung": "baseline", "degraded": True, "predictions": (0.5,)}, RequestClass.WRONG),
        ({"status": 500, "predictions": ()}, RequestClass.FAILED),
        ({"status": None, "predictions": (), "error": "ReadTimeout"}, RequestClass.FAILED),
        ({"predictions": ()}, RequestClass.FAILED),
    ],
)
def test_answers_fall_into_one_class_each(changes, expected):
    assert classify([replace(GOOD, **changes)], REFERENCES, {3: 0.4}) == [expected]


def test_reference_is_the_copy_from_before_the_model_was_damaged(tmp_path):
    keys = ensure_keys(tmp_path / "keys")
    root = tmp_path / "releases"
    model = publish_tiny_model(root, keys)
    bootstrap(root, model)
    copies = ModelCopies(tmp_path / "copies", keys.public)
    release = ReleaseLog(root).current()
    copies.keep(ModelStore(root), release)
    copies.keep(ModelStore(root), release)
    assert release.champion == ModelRef(model.digest, model.version)
    skops = ModelStore(root).path(model.digest) / "model.skops"
    skops.write_bytes(b"rotten")

    traffic = Traffic(tmp_path)
    rows = tuple((str(place), *row) for place, row in enumerate(tiny_rows(5)))
    traffic.ask_about(FeatureRows(("id", *SCHEMA.names), rows))
    answers = [replace(GOOD, row=f"000001/{number}", digest=model.digest) for number in range(5)]
    references = reference_answers(answers, traffic.requests_directory, copies)
    assert set(references) == {(model.digest, f"000001/{number}") for number in range(5)}
    right = [replace(answer, predictions=(references[answer.digest, answer.row],)) for answer in answers]
    assert set(classify(right, references, {})) == {RequestClass.GOOD}
