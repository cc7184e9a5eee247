"""Label leakage: a model's own predictions as labels or features, and gains too large to be real."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from healing.errors import TrainingRefused
from tasks.lake.columns import LABEL
from tasks.training.leakage import (
    _are_labels,
    leakage_warning,
    refuse_logged_predictions,
    refuse_predictions_as_labels,
)
from tests.toy import toy_labels, toy_pipeline

NOW = datetime(2013, 2, 1, tzinfo=UTC)


def logged_rows(tmp_path, predictions):
    """Write a gateway's log into the lake, and return the rows whose predictions it holds."""
    keys = [f"row-{number}" for number in range(len(predictions))]
    logged = pa.table(
        {
            "epoch": ["e"] * len(keys),
            "seq": range(len(keys)),
            "at": pa.array([NOW] * len(keys), pa.timestamp("us", tz="UTC")),
            "key": keys,
            "rung": ["champion"] * len(keys),
            "prediction": predictions,
        }
    )
    write_deltalake(tmp_path / "predictions", logged)
    return pd.DataFrame({"id": keys})


def test_labels_equal_to_the_logged_predictions_are_refused(tmp_path):
    generator = np.random.default_rng(0)
    predictions = generator.uniform(0.1, 0.9, 500)
    rows = logged_rows(tmp_path, predictions)
    own = rows.assign(**{LABEL: (predictions >= 0.5).astype(float)})
    with pytest.raises(TrainingRefused, match="labels equal to the logged predictions of all 500 rows"):
        refuse_logged_predictions(own, toy_labels(tmp_path), (), "probability")
    with pytest.raises(TrainingRefused, match="labels equal to"):
        refuse_logged_predictions(rows.assign(**{LABEL: predictions}), toy_labels(tmp_path), (), "value")


def test_observed_labels_are_never_taken_for_predictions():
    """Not once in 1,000 draws of labels for a calibrated model with confident predictions."""
    generator = np.random.default_rng(0)
    predictions = generator.choice([0.05, 0.95], 400)
    draws = generator.random((1000, 400)) < predictions
    assert not any(_are_labels(labels.astype(float), predictions, "probability") for labels in draws)


def test_a_perfect_model_with_near_certain_predictions_is_not_refused(tmp_path):
    predictions = np.tile([0.001, 0.999], 200)
    rows = logged_rows(tmp_path, predictions)
    refuse_logged_predictions(rows.assign(**{LABEL: predictions.round()}), toy_labels(tmp_path), (), "probability")


def test_a_feature_equal_to_the_logged_predictions_is_named(tmp_path):
    generator = np.random.default_rng(0)
    predictions = generator.uniform(0, 1, 300)
    labels = (generator.random(300) < predictions).astype(float)
    rows = logged_rows(tmp_path, predictions).assign(
        x=generator.normal(size=300), score=predictions.round(7), **{LABEL: labels}
    )
    with pytest.raises(TrainingRefused, match="'score' equal to the logged predictions"):
        refuse_logged_predictions(rows, toy_labels(tmp_path), ("x", "score"), "probability")
    refuse_logged_predictions(rows, toy_labels(tmp_path), ("x",), "probability")


def test_a_lake_without_a_log_refuses_nothing(tmp_path):
    rows = pd.DataFrame({"id": ["1"], LABEL: [1.0]})
    refuse_logged_predictions(rows, toy_labels(tmp_path), (), "probability")


def test_a_label_table_that_the_gateway_serves_is_refused():
    refuse_predictions_as_labels(toy_pipeline(), ("http://127.0.0.1:8080",))
    with pytest.raises(TrainingRefused, match="which is the gateway"):
        refuse_predictions_as_labels(toy_pipeline(), ("http://127.0.0.1:9",))


def test_a_label_table_with_the_name_of_the_gateways_log_is_refused():
    pipeline = toy_pipeline()
    own = pipeline.model_copy(update={"label": pipeline.label.model_copy(update={"table": "predictions"})})
    with pytest.raises(TrainingRefused, match="in which the lake keeps the gateway's predictions"):
        refuse_predictions_as_labels(own, ())


def test_an_ordinary_gain_gives_no_leakage_warning():
    assert leakage_warning(0.50, 0.55, 0.52) == ""
    assert leakage_warning(0.40, 0.55, 5.0) == ""
    assert "the champion 9%" in leakage_warning(0.20, 0.55, 0.50)
    assert leakage_warning(0.0, 0.0, None) == ""
