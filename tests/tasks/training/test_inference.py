import numpy as np
import pandas as pd
import pytest

from healing.errors import ConfigError
from releases.manifest import Column, InputSchema
from tasks.lake.columns import LABEL
from tasks.training.inference import as_inputs, input_schema, predict_or_nan


def test_inputs_have_the_types_that_a_gateway_passes_to_a_model():
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


class RaisesOnNegative:
    def predict(self, inputs):
        if (inputs["x"] < 0).any():
            raise ValueError("negative x")
        return inputs["x"].to_numpy()


def test_a_row_on_which_the_estimator_raises_is_nan_and_the_others_are_predicted():
    predictions = predict_or_nan(RaisesOnNegative(), pd.DataFrame({"x": [1.0, -1.0, 2.0]}))
    np.testing.assert_array_equal(predictions, [1.0, np.nan, 2.0])
