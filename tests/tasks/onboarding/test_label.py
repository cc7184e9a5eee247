import pandas as pd
import pytest

from healing.errors import UsageError
from tasks.onboarding.columns import TextColumn
from tasks.onboarding.label import guess_label


def guess(values, task=None, positive=None):
    return guess_label(TextColumn("Label", "label_2", pd.Series(values, dtype=object)), task, positive)


@pytest.mark.parametrize(
    ("values", "type_", "positive"),
    [
        (["0", "1", "0"], "long", None),
        (["True", "False"], "boolean", None),
        (["Yes", "No", "Yes"], "string", "Yes"),  # because of its name, although it is the more frequent class
        (["good", "bad", "good"], "string", "bad"),  # the rarer class
        (["1", "2", "1"], "double", 2.0),
    ],
)
def test_two_classes_get_a_type_and_a_positive_class(values, type_, positive):
    found = guess(values)
    assert (found.output, found.type, found.positive) == ("probability", type_, positive)


def test_a_quantity_is_predicted_as_a_value():
    assert guess(["1.5", "2.25", "9"]).output == "value"
    assert guess([str(number) for number in range(30)]).output == "value"
    assert guess(["1", "2", "3"], task="regression").output == "value"


@pytest.mark.parametrize(
    ("values", "declared", "type_", "classes"),
    [
        (["b", "a", "c", "a"], None, "string", ("a", "b", "c")),
        (["2", "10", "1", "2"], None, "long", (1, 2, 10)),
        (["2.0", "10.0", "1.0"], "double", "long", (1, 2, 10)),
        (["02", "10", "1"], "string", "string", ("02", "1", "10")),
    ],
)
def test_several_classes_get_a_probability_each(values, declared, type_, classes):
    column = TextColumn("Label", "label_2", pd.Series(values, dtype=object), declared)
    found = guess_label(column, None, None)
    assert (found.output, found.type, found.classes, found.positive) == ("probabilities", type_, classes, None)
    assert sum(found.class_counts(column.text).values()) == len(values)


def test_a_named_class_is_predicted_against_all_others():
    found = guess(["setosa", "virginica", "versicolor"], positive="virginica")
    assert (found.positive, found.values) == ("virginica", None)
    assert guess(["1", "2", "3"], positive="2").positive == 2.0
    assert guess(["True", "False"], positive="False").positive is False


@pytest.mark.parametrize(
    ("values", "asked", "message"),
    [
        ([f"c{number}" for number in range(30)], {}, r"at most 20 classes, found 30 .*set --positive"),
        (["1.5", "2", "3"], {"task": "classification"}, "expected whole numbers as classes, found '1.5'"),
        (["a", "a"], {}, "to learn from, found only 'a'"),
        ([None], {}, "found no value"),
        (["a", "b"], {"positive": "c"}, "expected the value 'c' of --positive, found only a, b"),
        (["a", "b"], {"task": "regression"}, "found text such as 'a'"),
    ],
)
def test_a_label_that_cannot_be_learned_is_refused_in_one_line(values, asked, message):
    with pytest.raises(UsageError, match=message) as refused:
        guess(values, **asked)
    assert "\n" not in str(refused.value)
