"""The short way gives the model's own answers to the last bit, or there is none."""

import warnings
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from releases.loader import LoadedModel
from releases.manifest import Column, Golden, InputSchema, Manifest, ReferenceProfile
from releases.model_inputs import frame_of_columns
from releases.short_path import PredictColumns, ServedEstimator
from releases.short_path import shorten as shorten_served

SCHEMA = InputSchema(
    columns=(
        Column(name="carrier", type="string"),
        Column(name="distance", type="double"),
        Column(name="origin", type="string"),
        Column(name="hour", type="long"),
        Column(name="night", type="boolean"),
    )
)
TEXTS, NUMBERS = ["carrier", "origin"], ["distance", "hour", "night"]


def rows(count: int, seed: int, *, odd: bool = False) -> list[list[Any]]:
    """With unseen categories and missing values where `odd`."""
    generator = np.random.default_rng(seed)
    made = [
        [
            str(generator.choice(["AA", "B6", "DL"])),
            float(generator.uniform(0, 3)),
            str(generator.choice(["JFK", "EWR"])),
            int(generator.integers(0, 24)),
            bool(generator.integers(0, 2)),
        ]
        for _ in range(count)
    ]
    if odd:
        for row in made:
            for place in range(len(row)):
                if generator.random() < 0.15:
                    row[place] = None if generator.random() < 0.5 or place not in (0, 2) else "never seen"
    return made


def columns(of: list[list[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*of, strict=True)]


def frame(of: list[list[Any]]) -> pd.DataFrame:
    made = pd.DataFrame(of, columns=list(SCHEMA.names))
    return made.astype({name: "object" if name in TEXTS else "float64" for name in SCHEMA.names})


def loaded(estimator: Any) -> LoadedModel:
    train = rows(400, seed=1)
    label = [float(row[1] + row[3] / 24 > 1.8) for row in train]
    estimator.fit(frame(train), label)
    golden = tuple(tuple(row) for row in rows(8, seed=2))
    manifest = Manifest(
        pipeline="tiny",
        version="0.1.0",
        created_at=datetime(2013, 3, 1, tzinfo=UTC),
        files={},
        trained_from="2013-01-01",
        trained_until="2013-02-01",
        code_revision="test",
        requirements_sha256="0" * 64,
        input_schema=SCHEMA,
        reference=ReferenceProfile(rows=400),
        golden=Golden(columns=SCHEMA.names, rows=golden, outputs=(0.5,) * 8),
        baseline=0.5,
        training_seconds=1,
    )
    return LoadedModel(digest="d", manifest=manifest, estimator=estimator)


def shorten(model: LoadedModel) -> PredictColumns | None:
    manifest = model.manifest
    return shorten_served(ServedEstimator(model.estimator, manifest.input_schema, manifest.golden, manifest.output))


def ordinal() -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=-1)


def trees(**options: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=20, random_state=0, **options)


SHORT = {
    "trees over ordinals, as flights has them": lambda: make_pipeline(
        ColumnTransformer([("texts", ordinal(), TEXTS), ("numbers", "passthrough", NUMBERS)], remainder="drop"), trees()
    ),
    "numbers first, one column dropped": lambda: make_pipeline(
        ColumnTransformer([("numbers", "passthrough", ["hour", "distance"]), ("texts", ordinal(), ["origin"])]), trees()
    ),
    "a regression": lambda: make_pipeline(
        make_column_transformer((ordinal(), TEXTS), ("passthrough", NUMBERS)),
        HistGradientBoostingRegressor(max_iter=20, random_state=0),
    ),
    "a linear model over one-hot, imputed and scaled": lambda: make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), TEXTS),
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        ),
        StandardScaler(),
        LogisticRegression(),
    ),
    "sparse parts that are stacked densely": lambda: make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), TEXTS), ("passthrough", NUMBERS)), trees()
    ),
}


def test_an_encoder_gets_an_array_because_a_frame_takes_longer_than_its_work(monkeypatch):
    model = loaded(SHORT["trees over ordinals, as flights has them"]())
    asked, short = columns(rows(20, seed=3, odd=True)), shorten(model)
    expected = model.answers(frame_of_columns(SCHEMA, asked))
    monkeypatch.setattr(pd.DataFrame, "__init__", None)
    assert np.array_equal(short(asked), expected)  # a warning would be an error


def test_a_step_that_warns_without_names_gets_them():
    class Careful(OrdinalEncoder):
        def transform(self, X):  # noqa: N803  the name is scikit-learn's
            if not hasattr(X, "columns"):
                warnings.warn("columns without names", stacklevel=2)
            return super().transform(X)

    careful = Careful(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=-1)
    model = loaded(make_pipeline(make_column_transformer((careful, TEXTS), ("passthrough", NUMBERS)), trees()))
    asked, short = columns(rows(20, seed=3)), shorten(model)
    assert np.array_equal(short(asked), model.answers(frame_of_columns(SCHEMA, asked)))


@pytest.mark.parametrize("build", SHORT.values(), ids=SHORT.keys())
def test_the_short_way_gives_the_models_own_answers_to_the_last_bit(build):
    model = loaded(build())
    answer = shorten(model)
    assert answer is not None
    for seed in range(30):
        for count in (1, 2, 50):
            asked = columns(rows(count, seed, odd=True))
            own = model.predict(frame_of_columns(model.manifest.input_schema, asked))
            np.testing.assert_array_equal(own, answer(asked), strict=True)


OWN = {
    "the rest passes through by number": lambda: make_pipeline(
        make_column_transformer((ordinal(), [0, 2]), remainder="passthrough"), trees()
    ),
    "texts and numbers in one transformer": lambda: make_pipeline(
        make_column_transformer((ordinal(), ["carrier", "hour"])), trees()
    ),
    "weighted transformers": lambda: make_pipeline(
        ColumnTransformer(
            [("texts", ordinal(), TEXTS), ("numbers", "passthrough", NUMBERS)], transformer_weights={"numbers": 2}
        ),
        trees(),
    ),
    "an output that stays sparse": lambda: make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), TEXTS), sparse_threshold=1.0),
        LogisticRegression(),
    ),
}


@pytest.mark.parametrize("build", OWN.values(), ids=OWN.keys())
def test_a_model_of_another_build_goes_its_own_way(build):
    assert shorten(loaded(build())) is None


def test_a_short_way_that_answers_otherwise_is_not_gone():
    """The step behind sees a frame when the pipeline runs, and an array on the short way."""
    chosen = make_column_transformer((ordinal(), TEXTS), ("passthrough", NUMBERS)).set_output(transform="pandas")
    model = loaded(make_pipeline(chosen, FunctionTransformer(_halved_frame), trees()))
    assert shorten(model) is None


def _halved_frame(values: Any) -> Any:
    return values / 2 if isinstance(values, pd.DataFrame) else values
