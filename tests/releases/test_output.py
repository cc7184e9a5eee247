import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LinearRegression, LogisticRegression

from healing.errors import ModelCorrupt
from releases.answers import answers_of, values_of
from releases.output import Output

ROWS = np.array([[0.0], [0.1], [5.0], [5.1], [10.0], [10.1]])
TEXTS = Output(kind="label", names=("far", "near"))


@pytest.mark.parametrize(
    ("kind", "names"),
    [("label", ()), ("label", ("one",)), ("label", ("a", "a")), ("probabilities", (1,)), ("values", ()), ("other", ())],
)
def test_an_output_without_the_names_that_it_needs_is_refused(kind, names):
    with pytest.raises(ValidationError):
        Output(kind=kind, names=names)


@pytest.mark.parametrize(
    ("output", "values", "shown"),
    [
        (Output(kind="label", names=(0, 1, 5)), [5.0, 0.0], [5, 0]),
        (Output(kind="label", names=(0.5, 1.5)), [1.5], [1.5]),
        (Output(kind="label", names=(0, 1)), [0.25], [None]),
        (TEXTS, [1.0, 0.0, 7.0, -1.0], ["near", "far", None, None]),
        (Output(kind="value"), [1.5], [1.5]),
    ],
)
def test_values_are_shown_as_labels_or_as_they_are(output, values, shown):
    assert output.shown(values, ()) == shown
    assert [type(label) for label in output.shown(values, ())] == [type(label) for label in shown]


def test_a_label_has_a_value():
    assert (TEXTS.value_of("near"), TEXTS.value_of("nowhere")) == (1.0, None)
    assert Output(kind="label", names=(3, 7)).value_of(7) == 7.0


def test_probabilities_have_the_most_probable_label_in_front():
    model = LogisticRegression(C=100).fit(ROWS, [3, 3, 5, 5, 9, 9])
    answers = answers_of(model, ROWS, Output(kind="probabilities", names=(3, 5, 9)))
    assert values_of(answers).tolist() == [3, 3, 5, 5, 9, 9]
    assert answers[:, 1:] == pytest.approx(model.predict_proba(ROWS))


def test_labels_that_are_texts_are_their_places():
    model = LogisticRegression(C=100).fit(ROWS, ["near"] * 3 + ["far"] * 3)
    assert answers_of(model, ROWS, TEXTS).tolist() == [1, 1, 1, 0, 0, 0]


def test_a_row_with_one_output_that_is_not_finite_has_no_value():
    class Partial:
        def predict(self, rows):
            return np.array([[1.0, np.inf], [1.0, 2.0]])

    assert np.isnan(values_of(answers_of(Partial(), ROWS[:2], Output(kind="values", names=("a", "b"))))).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (Output(kind="probabilities", names=(0, 1)), "needs a classifier, found LinearRegression"),
        (Output(kind="values", names=("a", "b")), r"with 2 outputs, found the shape \(6,\)"),
    ],
)
def test_an_estimator_that_does_not_fit_its_output_is_refused(output, found):
    with pytest.raises(ModelCorrupt, match=found):
        answers_of(LinearRegression().fit(ROWS, ROWS[:, 0]), ROWS, output)
