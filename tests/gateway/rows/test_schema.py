import pytest

from gateway.rows.refusals import BadRequest
from gateway.rows.schema import Binder
from gateway.rows.table import RequestTable
from releases.manifest import Column, InputSchema

SCHEMA = InputSchema(
    key="flight",
    columns=(
        Column(name="miles", type="double", nullable=True),
        Column(name="stops", type="long", nullable=False),
        Column(name="carrier", type="string", nullable=False),
    ),
)


def bind(*rows, columns=("miles", "stops", "carrier")):
    return Binder(SCHEMA).bind(RequestTable(columns, rows)).rows


def test_rows_are_given_in_the_order_of_the_schema():
    assert [tuple(row) for row in bind(("AA", 2, 3.5), columns=("carrier", "stops", "miles"))] == [(3.5, 2, "AA")]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ((float("inf"), 1, "AA"), "miles"),
        ((float("nan"), 1, "AA"), "miles"),
        ((2**63, 1, "AA"), "miles"),
        ((1.5, 2**63, "AA"), "stops"),
        ((1.5, -(2**63) - 1, "AA"), "stops"),
        ((1.5, 2.0, "AA"), "stops"),
        ((1.5, None, "AA"), "stops"),
        ((1.5, True, "AA"), "stops"),
        ((1.5, 1, None), "carrier"),
        (("1.5", 1, "AA"), "miles"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_also_after_sound_ones_with_the_same_types(row, field):
    sound = [(1.5, 1, "AA"), (1, 1, "AA"), (None, 1, "AA"), (2.5, 3, "BB")]
    with pytest.raises(BadRequest, match="row 4") as refusal:
        bind(*sound, row)
    assert refusal.value.field == field


def test_large_numbers_that_fit_are_taken():
    largest = (1e300, 2**63 - 1, "AA"), (-(2**63) + 1, -(2**63), "AA"), (1.7e308, 1, "AA")
    assert [tuple(row) for row in bind((1.5, 1, "AA"), *largest)][1:] == list(largest)


def test_a_schema_with_one_column_binds():
    binder = Binder(InputSchema(key="flight", columns=(Column(name="miles", type="double"),)))
    bound = binder.bind(RequestTable(("flight", "miles"), [("UA1", 1.0), ("UA2", 2.0)]))
    assert [list(row) for row in bound.rows] == [[1.0], [2.0]]
    assert bound.keys == ["UA1", "UA2"]
