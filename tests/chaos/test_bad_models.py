import math
import time

import pytest
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from chaos import growing_model
from chaos.bad_models import GROWTH_BYTES, VARIANTS, publish_variant
from chaos.staging.needs import GROWING_TYPE
from healing.errors import ModelCorrupt
from releases.loader import check_golden, load
from releases.manifest import ReferenceProfile
from releases.model_inputs import frame_of
from releases.signing import ensure_keys
from releases.store import ModelStore
from tests.published import SCHEMA, frame, publish_tiny_model, tiny_rows

ROWS = tiny_rows(12)
PROFILE = ReferenceProfile(rows=200, answer_deciles=tuple(number / 10 for number in range(11)))
TRUSTED = frozenset({GROWING_TYPE})


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    keys = ensure_keys(root / "keys")
    model = publish_tiny_model(root, keys, golden_rows=ROWS, reference=PROFILE)
    return root, keys, load(ModelStore(root).path(model.digest), keys.public)


@pytest.fixture(scope="module")
def published(origin, request):
    root, keys, _ = origin
    variant = publish_variant(root / "models", origin[2].digest, keys.private.parent, request.param, "0.0.9")
    return variant, load(root / "models" / variant.digest, keys.public, TRUSTED)


def answers(model, rows=ROWS):
    return model.predict(frame_of(model.manifest.input_schema, SCHEMA.names, rows))


@pytest.mark.parametrize("published", list(VARIANTS), indirect=True)
def test_every_variant_passes_the_checks_of_a_loader_and_says_what_it_answers(published):
    variant, model = published
    check_golden(model)
    assert model.manifest.version == "0.0.9"
    kept = [(row, answer) for row, answer in zip(ROWS, variant.answers, strict=True) if answer is not None]
    assert answers(model, [row for row, _ in kept]) == pytest.approx([answer for _, answer in kept], abs=1e-12)


@pytest.mark.parametrize("published", ["good", "slow", "slow_under_load", "growing", "leaked"], indirect=True)
def test_a_good_and_a_slow_variant_answer_as_the_origin(origin, published):
    assert answers(published[1]) == pytest.approx(answers(origin[2]), abs=1e-9)


@pytest.mark.parametrize("published", ["constant"], indirect=True)
def test_a_constant_variant_has_one_answer(published):
    assert len(set(answers(published[1]))) == 1


@pytest.mark.parametrize("published", ["biased"], indirect=True)
def test_a_biased_variant_leans_to_one_side(origin, published):
    assert (answers(published[1]) - answers(origin[2])).mean() > 0.1


@pytest.mark.parametrize("published", ["nan"], indirect=True)
def test_a_nan_variant_has_no_number_for_rows_that_are_not_golden(published):
    variant, model = published
    missing = [math.isnan(answer) for answer in answers(model)]
    assert missing == [answer is None for answer in variant.answers]
    assert 0 < sum(missing) < len(missing)
    assert len(model.manifest.golden.rows) == len(missing) - sum(missing)


@pytest.mark.parametrize("published", ["raising"], indirect=True)
def test_a_raising_variant_raises_on_rows_that_are_not_golden(published):
    variant, model = published
    refused = [row for row, answer in zip(ROWS, variant.answers, strict=True) if answer is None]
    assert refused
    with pytest.raises(ValueError, match="unknown categories"):
        answers(model, refused[:1])


@pytest.mark.parametrize("published", ["slow_under_load"], indirect=True)
def test_a_model_that_is_slow_under_load_takes_far_longer_for_many_rows_than_for_one(published):

    def seconds(rows):
        started = time.perf_counter()
        answers(published[1], rows)
        return time.perf_counter() - started

    with threadpool_limits(1):
        one, many = (min(seconds(rows) for _ in range(5)) for rows in (ROWS[:1], 5 * ROWS))
    assert many > 5 * one


@pytest.mark.parametrize("published", ["growing"], indirect=True)
def test_a_growing_model_keeps_memory_for_each_batch_and_needs_a_type_that_is_trusted(origin, published, monkeypatch):
    root, keys, _ = origin
    monkeypatch.setattr(growing_model, "_KEPT", [])
    for _ in range(3):
        answers(published[1])
    assert sum(each.nbytes for each in growing_model._KEPT) == 3 * GROWTH_BYTES
    with pytest.raises(ModelCorrupt, match=GROWING_TYPE):
        load(root / "models" / published[0].digest, keys.public)


@pytest.mark.parametrize("published", ["leaked"], indirect=True)
def test_a_leaked_model_promises_answers_that_it_never_gives(published):
    deciles = published[1].manifest.reference.answer_deciles
    assert not [answer for answer in answers(published[1]) if answer < deciles[5] or answer > deciles[6]]
    assert len(deciles) == 11


def test_a_model_without_a_profile_of_its_answers_cannot_be_made_a_leaked_one(origin):
    root, keys, _ = origin
    model = publish_tiny_model(root, keys, version="0.8.0", golden_rows=ROWS)
    with pytest.raises(ValueError, match="expected a model whose profile has the deciles"):
        publish_variant(root / "models", model.digest, keys.private.parent, "leaked", "0.0.9")


def test_a_model_that_is_no_classifier_of_two_classes_is_refused(origin):
    root, keys, _ = origin
    rows = frame(ROWS)
    columns = make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")
    three = make_pipeline(columns, DummyClassifier()).fit(rows, [index % 3 for index in range(len(ROWS))])
    model = publish_tiny_model(root, keys, version="0.7.0", estimator=three, golden_rows=ROWS)
    with pytest.raises(ValueError, match="expected a classifier of 2 classes, found Pipeline"):
        publish_variant(root / "models", model.digest, keys.private.parent, "nan", "0.0.9")


def test_an_unknown_variant_lists_the_known_ones(origin):
    root, keys, model = origin
    with pytest.raises(LookupError, match=r"good, constant, biased, slow, slow_under_load, .*, raising, found 'evil'"):
        publish_variant(root / "models", model.digest, keys.private.parent, "evil", "0.0.9")
