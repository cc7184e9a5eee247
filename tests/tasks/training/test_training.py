from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from healing.errors import ConfigError, StoreUnavailable, TrainingRefused
from healing.incident import Cause, Incident, Status
from releases.manifest import Column, InputSchema
from tasks.lake.columns import LABEL
from tasks.training.candidate import plan_training
from tasks.training.refusals import refuse_on_open_incidents
from tasks.training.training import (
    as_inputs,
    input_schema,
    read_training_rows,
    train,
    training_days,
)
from tests.toy import ROWS_A_DAY, day_of, toy_labels, toy_pipeline, write_days


@pytest.fixture
def lake(tmp_path):
    write_days(tmp_path, 0, 30)
    return tmp_path


def plan_of(lake, until=29):
    return plan_training(toy_pipeline(), toy_labels(lake), day_of(until), None)


def test_a_plan_learns_from_the_days_before_the_held_out_ones(lake):
    plan = plan_of(lake)
    rows = read_training_rows(plan, toy_labels(lake))
    assert (min(rows.learned["event_day"]), max(rows.learned["event_day"])) == (day_of(0), day_of(15))
    assert (min(rows.held_out["event_day"]), max(rows.held_out["event_day"])) == (day_of(16), day_of(29))
    assert len(rows.learned) == 16 * ROWS_A_DAY


def test_the_same_plan_has_the_same_key_and_makes_the_same_model(lake):
    first, second = plan_of(lake), plan_of(lake)
    assert first.key == second.key
    models = [train(plan, toy_labels(lake), toy_pipeline().estimator) for plan in (first, second)]
    inputs = as_inputs(models[0].rows.held_out, models[0].rows.schema)
    answers = [model.estimator.predict_proba(inputs) for model in models]
    np.testing.assert_array_equal(*answers)


def test_new_data_make_another_plan_and_do_not_change_the_old_one(lake):
    plan = plan_of(lake)
    before = read_training_rows(plan, toy_labels(lake))
    write_days(lake, 30, 2)
    assert plan_of(lake).key != plan.key
    pd.testing.assert_frame_equal(read_training_rows(plan, toy_labels(lake)).learned, before.learned)


def test_a_label_that_was_not_known_in_time_is_not_learned_from(lake):
    plan = replace(plan_of(lake), as_of=datetime(2013, 1, 30, 12, tzinfo=UTC))
    rows = read_training_rows(plan, toy_labels(lake))
    assert max(rows.held_out["event_day"]) == day_of(28)


def test_too_few_labels_are_refused(lake):
    with pytest.raises(TrainingRefused, match="5000 labelled rows"):
        train(replace(plan_of(lake), rows_min=5000), toy_labels(lake), toy_pipeline().estimator)


def test_held_out_days_without_labels_are_refused(lake):
    write_days(lake, 30, 14, labels=False)
    with pytest.raises(TrainingRefused, match="wait for their labels"):
        train(plan_of(lake, until=43), toy_labels(lake), toy_pipeline().estimator)


def test_an_empty_lake_says_what_to_do(tmp_path):
    with pytest.raises(StoreUnavailable, match="ingest a day first"):
        plan_of(tmp_path)


def incident(cause):
    return Incident("i1", "toy", cause, "rows/2013-01-30", Status.OPEN, datetime(2013, 1, 30, tzinfo=UTC))


def test_doubt_about_the_data_stops_training_and_drift_does_not():
    with pytest.raises(TrainingRefused, match="null_spike"):
        refuse_on_open_incidents([incident(Cause.NULL_SPIKE)])
    refuse_on_open_incidents([incident(Cause.QUALITY_DROP)])
    refuse_on_open_incidents([incident(Cause.NULL_SPIKE)], except_id="i1")


def test_training_days_end_before_the_held_out_ones():
    assert training_days(date(2013, 2, 28), lookback_days=45, holdout_days=14) == (date(2013, 1, 1), date(2013, 2, 14))


def test_inputs_are_what_a_server_gives_a_model():
    rows = pd.DataFrame({"id": ["1", "2"], "n": [1, 2], "ok": [True, False], "kind": ["a", np.nan], LABEL: [0.0, 1.0]})
    schema = input_schema(rows, "id")
    assert schema == InputSchema(
        key="id",
        columns=(
            Column(name="n", type="long"),
            Column(name="ok", type="boolean"),
            Column(name="kind", type="string"),
        ),
    )
    inputs = as_inputs(rows, schema)
    assert [str(dtype) for dtype in inputs.dtypes] == ["float64", "float64", "object"]
    assert inputs["kind"][1] is None


def test_a_feature_of_no_usable_type_is_named():
    with pytest.raises(ConfigError, match="'when'"):
        input_schema(pd.DataFrame({"id": ["1"], "when": pd.to_datetime(["2013-01-01"])}), "id")
