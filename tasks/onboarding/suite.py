"""The Great Expectations suites: wide ranges that set a row aside, and categories that are only recorded."""

import json
from typing import Any

from tasks.onboarding.draft import Draft


def rows_suite(draft: Draft) -> str:
    """Of the table that is answered for, as the library's own JSON."""
    expectations = []
    for column in draft.inputs:
        if column.low is not None and column.high is not None:
            bounds = {"min_value": column.low, "max_value": column.high}
            note = "The range that was seen, widened by itself on each side; beyond, a unit or a sensor changed."
            expectations.append(_about("between", column.name, bounds, "warning", note))
        if column.categories is not None:
            note = "The categories that were seen. A new one is no fault: the model takes it as missing."
            expectations.append(_about("in_set", column.name, {"value_set": list(column.categories)}, "info", note))
    return _suite(draft.asked.name, expectations)


def outcomes_suite(draft: Draft) -> str:
    """Of the labels: where there are two texts, a third would count as the negative one, so it is set aside."""
    label = draft.label
    expectations = []
    if label.values is not None:
        note = "Two classes; any other text is neither."
        expectations.append(_about("in_set", label.name, {"value_set": list(label.values)}, "warning", note))
    elif label.type == "long":
        expectations.append(_about("in_set", label.name, {"value_set": [0, 1]}, "warning", "Two classes."))
    return _suite(f"{draft.asked.name}_outcomes", expectations)


def _about(what: str, column: str, kwargs: dict[str, Any], severity: str, note: str) -> dict[str, Any]:
    return {
        "type": f"expect_column_values_to_be_{what}",
        "kwargs": {"column": column, **kwargs},
        "meta": {},
        "notes": note,
        "severity": severity,
    }


def _suite(name: str, expectations: list[dict[str, Any]]) -> str:
    return json.dumps({"name": name, "expectations": expectations, "meta": {}, "notes": None}, indent=2) + "\n"
