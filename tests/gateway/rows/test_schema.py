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
        ((1.5, 2.5, "AA"), "stops"),
        ((1.5, 2.0**60, "AA"), "stops"),
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


def test_a_whole_float_is_an_integer_in_rows_of_mixed_types():
    rows = [(1.5, 1, "AA"), (1.5, 2.0, "AA"), (None, 3.0, "AA"), (2, 4, "AA")]
    bound = bind(*rows)
    assert [row[1] for row in bound] == [1, 2, 3, 4]
    assert {type(row[1]) for row in bound} == {int}
    assert rows[1] == (1.5, 2.0, "AA")


def test_columns_beside_those_of_the_schema_are_named():
    columns = ("miles", "stops", "carrier", "flight", "colour", "next")
    table = RequestTable(columns, [(1.5, 1, "AA", "UA1", "red", 2)])
    bound = Binder(SCHEMA).bind(table, frozenset({"next"}))
    assert (list(bound.rows[0]), bound.ignored) == ([1.5, 1, "AA"], ("colour",))


def test_a_nullable_column_may_be_absent_where_that_is_allowed():
    table = RequestTable(("carrier", "stops"), [("AA", 1), ("UA", 2)])
    bound = Binder(SCHEMA).bind(table, fill_absent=True)
    assert [list(row) for row in bound.rows] == [[None, 1, "AA"], [None, 2, "UA"]]
    assert bound.absent == ("miles",)
    with pytest.raises(BadRequest, match="column 'miles' is missing"):
        Binder(SCHEMA).bind(table)


def test_a_request_without_any_column_of_the_model_is_refused():
    binder = Binder(InputSchema(columns=(Column(name="miles", type="double"),)))
    with pytest.raises(BadRequest, match="column 'miles' is missing"):
        binder.bind(RequestTable(("colour",), [("red",)]), fill_absent=True)


TIMES = InputSchema(
    columns=(
        Column(name="at", type="datetime"),
        Column(name="seats", type="integer", nullable=False),
        Column(name="weight", type="float"),
    )
)


def test_times_become_iso_8601_in_utc_and_integers_have_32_bits():
    rows = [("2013-01-02 03:04:05+02:00", 2.0, 0.5), ("2013-01-02", -(2**31), None), (None, 2**31 - 1, 3e38)]
    bound = Binder(TIMES).bind(RequestTable(TIMES.names, rows))
    assert [list(row) for row in bound.rows] == [
        ["2013-01-02T01:04:05", 2, 0.5],
        ["2013-01-02T00:00:00", -(2**31), None],
        [None, 2**31 - 1, 3e38],
    ]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (("noon", 1, 1.0), "at"),
        (("1600-01-01", 1, 1.0), "at"),
        (("2300-01-01", 1, 1.0), "at"),
        ((20130102, 1, 1.0), "at"),
        (("2013-01-02", 2**31, 1.0), "seats"),
        (("2013-01-02", 1.5, 1.0), "seats"),
        (("2013-01-02", 1, 4e38), "weight"),
    ],
)
def test_a_time_or_a_narrow_number_that_does_not_fit_is_refused_also_after_sound_ones(row, field):
    sound = [("2013-01-02", 1, 1.0), ("2013-01-02", 1.0, 1.0)]
    with pytest.raises(BadRequest) as refusal:
        Binder(TIMES).bind(RequestTable(TIMES.names, [*sound, row]))
    assert refusal.value.field == field


def test_large_numbers_that_fit_are_taken():
    largest = (1e300, 2**63 - 1, "AA"), (-(2**63) + 1, -(2**63), "AA"), (1.7e308, 1, "AA")
    assert [tuple(row) for row in bind((1.5, 1, "AA"), *largest)][1:] == list(largest)


def test_a_schema_with_one_column_binds():
    binder = Binder(InputSchema(key="flight", columns=(Column(name="miles", type="double"),)))
    bound = binder.bind(RequestTable(("flight", "miles"), [("UA1", 1.0), ("UA2", 2.0)]))
    assert [list(row) for row in bound.rows] == [[1.0], [2.0]]
    assert bound.keys == ["UA1", "UA2"]
