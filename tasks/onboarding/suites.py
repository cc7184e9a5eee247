"""The Great Expectations suites of a draft: wide ranges quarantine a row, unknown categories are only recorded."""

import json
from typing import Any

from tasks.onboarding.draft import PipelineDraft


def rows_suite(draft: PipelineDraft) -> str:
    """Suite of the table `rows`, in the library's own JSON."""
    expectations = []
    for column in draft.inputs:
        if column.low is not None and column.high is not None:
            bounds = {"min_value": column.low, "max_value": column.high}
            note = "The observed range, extended on both sides; a value outside means that a unit or a sensor changed."
            expectations.append(_expectation("between", column.name, bounds, "warning", note))
        if column.categories is not None:
            values = {"value_set": list(column.categories)}
            note = "The observed categories. A new one is accepted: the model treats it as missing."
            expectations.append(_expectation("in_set", column.name, values, "info", note))
    return _suite(draft.request.name, expectations)


def outcomes_suite(draft: PipelineDraft) -> str:
    """Suite of the table `outcomes`. An unknown class is quarantined, because it would count as another one."""
    label = draft.label
    expectations = []
    if label.classes:
        note = "All classes, as in label.classes of pipeline.yaml; a row with another one is quarantined."
        expectations.append(_expectation("in_set", label.name, {"value_set": list(label.classes)}, "warning", note))
    elif label.values is not None:
        note = "The two classes; a row with another text is quarantined."
        expectations.append(_expectation("in_set", label.name, {"value_set": list(label.values)}, "warning", note))
    elif label.type == "long":
        expectations.append(_expectation("in_set", label.name, {"value_set": [0, 1]}, "warning", "The two classes."))
    return _suite(f"{draft.request.name}_outcomes", expectations)


def _expectation(what: str, column: str, kwargs: dict[str, Any], severity: str, note: str) -> dict[str, Any]:
    return {
        "type": f"expect_column_values_to_be_{what}",
        "kwargs": {"column": column, **kwargs},
        "meta": {},
        "notes": note,
        "severity": severity,
    }


def _suite(name: str, expectations: list[dict[str, Any]]) -> str:
    return json.dumps({"name": name, "expectations": expectations, "meta": {}, "notes": None}, indent=2) + "\n"
