"""What a model must not learn from: data in quarantine, and what a model said."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from healing.errors import TrainingRefused
from tasks.lake.columns import LABEL
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.training.own_predictions import _are_labels, refuse_own_answers, refuse_own_labels
from tasks.training.refusals import refuse_quarantined
from tests.toy import toy_labels, toy_pipeline

FIRST, LAST = date(2013, 1, 1), date(2013, 1, 10)
NOW = datetime(2013, 2, 1, tzinfo=UTC)


def batch(day, quarantined, table="rows"):
    return BatchRecord(
        pipeline="toy",
        batch_id=f"{table}/2013-01-{day:02}",
        table=table,
        day=date(2013, 1, day),
        source="only",
        received=100,
        accepted=100 - quarantined,
        quarantined=quarantined,
        duplicates=0,
        status=BatchStatus.QUARANTINED if quarantined else BatchStatus.ACCEPTED,
        recorded_at=NOW,
    )


def test_a_window_that_lost_many_rows_is_refused_by_name():
    batches = [batch(day, 60 if day == 3 else 0) for day in range(1, 11)]
    with pytest.raises(TrainingRefused, match=r"rows in quarantine.*6\.0%: rows/2013-01-03 \(60 of 100\)"):
        refuse_quarantined(batches, FIRST, LAST, share_max=0.05)
    refuse_quarantined(batches, FIRST, LAST, share_max=0.06)


def test_each_table_is_counted_by_itself_and_within_the_window_only():
    labels = [batch(day, 0) for day in range(1, 11)] + [batch(5, 30, "outcomes")]
    with pytest.raises(TrainingRefused, match="outcomes"):
        refuse_quarantined(labels, FIRST, LAST, share_max=0.1)
    refuse_quarantined([*labels, batch(20, 100)], FIRST, date(2013, 1, 4), share_max=0.0)


def answered(tmp_path, answers):
    """A gateway's log in the lake, and the rows that it answered."""
    keys = [f"row-{number}" for number in range(len(answers))]
    logged = pa.table(
        {
            "epoch": ["e"] * len(keys),
            "seq": range(len(keys)),
            "at": pa.array([NOW] * len(keys), pa.timestamp("us", tz="UTC")),
            "key": keys,
            "rung": ["champion"] * len(keys),
            "prediction": answers,
        }
    )
    write_deltalake(tmp_path / "predictions", logged)
    return pd.DataFrame({"id": keys})


def test_labels_that_a_model_gave_are_refused(tmp_path):
    generator = np.random.default_rng(0)
    answers = generator.uniform(0.1, 0.9, 500)
    rows = answered(tmp_path, answers)
    own = rows.assign(**{LABEL: (answers >= 0.5).astype(float)})
    with pytest.raises(TrainingRefused, match="labels that are the logged answers to all of 500 rows"):
        refuse_own_answers(own, toy_labels(tmp_path), (), "probability")
    with pytest.raises(TrainingRefused, match="labels that are"):
        refuse_own_answers(rows.assign(**{LABEL: answers}), toy_labels(tmp_path), (), "value")


def test_labels_of_the_world_are_never_taken_for_a_models():
    """Not by the luck of a calibrated model that is quite sure, over 1,000 worlds."""
    generator = np.random.default_rng(0)
    answers = generator.choice([0.05, 0.95], 400)
    worlds = generator.random((1000, 400)) < answers
    assert not any(_are_labels(labels.astype(float), answers, "probability") for labels in worlds)


def test_a_perfect_model_that_is_sure_of_itself_is_no_proof(tmp_path):
    answers = np.tile([0.001, 0.999], 200)
    rows = answered(tmp_path, answers)
    refuse_own_answers(rows.assign(**{LABEL: answers.round()}), toy_labels(tmp_path), (), "probability")


def test_a_feature_that_is_the_logged_answer_is_named(tmp_path):
    generator = np.random.default_rng(0)
    answers = generator.uniform(0, 1, 300)
    labels = (generator.random(300) < answers).astype(float)
    rows = answered(tmp_path, answers).assign(x=generator.normal(size=300), score=answers.round(7), **{LABEL: labels})
    with pytest.raises(TrainingRefused, match="'score' equal to the logged answers"):
        refuse_own_answers(rows, toy_labels(tmp_path), ("x", "score"), "probability")
    refuse_own_answers(rows, toy_labels(tmp_path), ("x",), "probability")


def test_a_lake_without_a_log_refuses_nothing(tmp_path):
    rows = pd.DataFrame({"id": ["1"], LABEL: [1.0]})
    refuse_own_answers(rows, toy_labels(tmp_path), (), "probability")


def test_a_label_table_that_the_gateway_serves_is_refused():
    refuse_own_labels(toy_pipeline(), ("http://127.0.0.1:8080",))
    with pytest.raises(TrainingRefused, match="which is the gateway"):
        refuse_own_labels(toy_pipeline(), ("http://127.0.0.1:9",))


def test_a_label_table_named_as_the_gateways_log_is_refused():
    pipeline = toy_pipeline()
    own = pipeline.model_copy(update={"label": pipeline.label.model_copy(update={"table": "predictions"})})
    with pytest.raises(TrainingRefused, match="in which the lake keeps the gateway's answers"):
        refuse_own_labels(own, ())
