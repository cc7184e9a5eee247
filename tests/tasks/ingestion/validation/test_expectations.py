import json

import pandas as pd
import pytest

from healing.errors import ConfigError
from tasks.ingestion.validation.expectations import evaluate_suite

ROWS = pd.DataFrame({"id": ["a", "b", "c"], "value": [1.0, None, 99.0]})


@pytest.fixture
def suite(tmp_path):
    """Writes a suite with these expectations, and returns its path."""

    def write(*expectations: dict[str, object]):
        path = tmp_path / "suite.json"
        path.write_text(json.dumps({"name": "t", "expectations": list(expectations), "meta": {}}))
        return path

    return write


def between(severity: str, **changes: object) -> dict[str, object]:
    kwargs = {"column": "value", "min_value": 0, "max_value": 10, **changes}
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs, "severity": severity}


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_a_result_has_rows_and_severity(suite, severity):
    [broken] = evaluate_suite(suite(between(severity)), ROWS)
    assert (broken.rows, broken.severity) == ((2,), severity)
    assert broken.expectation == "expect_column_values_to_be_between(value)"


def test_good_rows_fail_no_expectation(suite):
    [result] = evaluate_suite(suite(between("critical")), ROWS.head(2))
    assert result.rows == ()


def test_an_expectation_that_is_not_about_rows_is_refused(suite):
    count = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    with pytest.raises(ConfigError, match="is not about rows"):
        evaluate_suite(suite(count), ROWS)
    with pytest.raises(ConfigError, match="mostly"):
        evaluate_suite(suite(between("warning", mostly=0.9)), ROWS)


def test_an_expectation_that_the_library_does_not_know_is_refused(suite):
    with pytest.raises(ConfigError, match="expect_wonders"):
        evaluate_suite(suite({"type": "expect_wonders", "kwargs": {}}), ROWS)


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_file_that_is_not_a_suite_is_refused(tmp_path, text):
    path = tmp_path / "suite.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"suite\.json: expected a Great Expectations suite"):
        evaluate_suite(path, ROWS)


def test_a_column_that_does_not_exist_is_refused(suite):
    with pytest.raises(ConfigError, match="could not be evaluated"):
        evaluate_suite(suite(between("warning", column="nothing")), ROWS)
