import orjson
import pytest

from gateway.rows.refusals import BadRequest
from gateway.rows.schema import Binder
from gateway.wire.mlflow import read_request
from tests.published import SCHEMA

ROW = ["AA", 1.5, 7]


def table_of(content_type: str, body: bytes):
    return read_request({b"content-type": content_type.encode()}, body).table


def bind(body: bytes, content_type: str = "application/json", **options):
    return Binder(SCHEMA).bind(table_of(content_type, body), **options)


@pytest.mark.parametrize(
    "body",
    [
        b'{"dataframe_split": {"columns": ["carrier", "distance", "hour"], "data": [["AA", 1.5, 7]]}}',
        b'{"dataframe_split": {"columns": ["hour", "distance", "carrier"], "data": [[7, 1.5, "AA"]], "index": [0]}}',
        b'{"dataframe_records": [{"hour": 7, "distance": 1.5, "carrier": "AA"}]}',
        b'{"instances": [{"hour": 7, "distance": 1.5, "carrier": "AA"}]}',
        b'{"instances": [["AA", 1.5, 7]]}',
        b'{"inputs": {"carrier": ["AA"], "distance": [1.5], "hour": [7]}, "params": {}}',
    ],
)
def test_every_json_format_gives_the_same_rows(body):
    bound = bind(body)
    assert [list(row) for row in bound.rows] == [ROW]
    assert bound.keys == [None]


def test_csv_gives_the_same_rows_and_an_empty_field_is_missing():
    bound = bind(b"hour,carrier,distance,id\n7,AA,1.5,k1\n8,,,k2\n", "text/csv; charset=utf-8")
    assert bound.rows == [ROW, [None, None, 8]]
    assert bound.keys == ["k1", "k2"]


@pytest.mark.parametrize("text", ["1_000", "inf", "1e999", "far", "0x10", "٣"])
def test_a_field_of_csv_that_is_no_number_is_refused(text):
    with pytest.raises(BadRequest) as refusal:
        bind(f"hour,carrier,distance\n7,AA,{text}\n".encode(), "text/csv")
    assert refusal.value.field == "distance"


@pytest.mark.parametrize("text", ["9" * 400, "-" + "9" * 5000, "9223372036854775808", "1e30"])
def test_an_integer_of_csv_that_is_too_large_is_refused_also_after_sound_rows(text):
    with pytest.raises(BadRequest) as refusal:
        bind(f"hour,carrier,distance\n7,AA,1.5\n7,AA,1.5\n{text},AA,1.5\n".encode(), "text/csv")
    assert refusal.value.field == "hour"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv; charset=latin-1", b"hour\n7\n"),
        ("text/csv; header=no", b"hour\n7\n"),
        ("application/json; charset=utf-16", b"{}"),
        ("application/vnd.apache.parquet", b"PAR1"),
    ],
)
def test_content_types_that_mlflow_refuses_are_refused(content_type, body):
    with pytest.raises(BadRequest) as refusal:
        table_of(content_type, body)
    assert refusal.value.status == 415


@pytest.mark.parametrize("body", [b'{"dataframe_split": {"data": [["AA", 1.5, 7]]}}', b'{"inputs": [["AA", 1.5, 7]]}'])
def test_rows_without_names_follow_the_schema(body):
    assert [list(row) for row in bind(body).rows] == [ROW]


def test_an_infinity_in_json_is_named_by_its_position():
    with pytest.raises(BadRequest) as refusal:
        bind(b'{"dataframe_records": [{"carrier": "AA", "distance": -Infinity, "hour": 7}]}')
    assert refusal.value.field == "dataframe_records[0].distance"


@pytest.mark.parametrize("text", [b"NaN", b" NaN ", b"null"])
def test_a_nan_in_json_is_a_missing_value(text):
    bound = bind(b'{"dataframe_records": [{"carrier": "NaN\\"NaN", "distance": ' + text + b', "hour": 7}]}')
    assert [list(row) for row in bound.rows] == [['NaN"NaN', None, 7]]


@pytest.mark.parametrize("text", ["nan", "NaN", "NA", "null", " NaN "])
def test_the_words_of_pandas_for_a_missing_number_are_read_in_csv_and_are_strings_in_a_column_of_strings(text):
    bound = bind(f"hour,carrier,distance\n7,{text},{text}\n".encode(), "text/csv")
    assert [list(row) for row in bound.rows] == [[text, None, 7]]


def test_records_may_have_different_fields():
    body = b'{"dataframe_records": [{"hour": 7, "carrier": "AA"}, {"hour": 8, "distance": 1.5, "new": 1}]}'
    bound = bind(body)
    assert [list(row) for row in bound.rows] == [["AA", None, 7], [None, 1.5, 8]]
    assert bound.ignored == ("new",)


def test_records_that_have_hardly_a_field_in_common_are_refused_before_their_table_is_made():
    few = [{f"c{row}_{number}": 1 for number in range(20)} for row in range(5000)]
    with pytest.raises(BadRequest, match="few other records have"):
        table_of("application/json", orjson.dumps({"dataframe_records": few}))


def test_the_key_is_kept_apart_from_what_the_model_reads():
    bound = bind(b'{"dataframe_records": [{"id": 42, "carrier": "AA", "distance": 1.5, "hour": 7}]}')
    assert (list(bound.rows[0]), bound.keys) == (ROW, ["42"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"inputs": {"carrier": ["AA"], "distance": [1.5]}}', "hour"),
        (b'{"inputs": {"carrier": ["AA"], "distance": [1.5], "hour": [7.5]}}', "hour"),
        (b'{"inputs": {"carrier": ["AA"], "distance": [1.5], "hour": [true]}}', "hour"),
        (b'{"inputs": {"carrier": ["AA"], "distance": [1.5], "hour": [null]}}', "hour"),
        (b'{"inputs": {"carrier": ["AA"], "distance": [1e999], "hour": [7]}}', "inputs.distance[0]"),
        (b'{"inputs": {"carrier": ["AA"], "distance": ["far"], "hour": [7]}}', "distance"),
        (b'{"inputs": {"carrier": [1], "distance": [1.5], "hour": [7]}}', "carrier"),
        (b'{"inputs": {"carrier": [["AA"]], "distance": [1.5], "hour": [7]}}', "carrier"),
        (b'{"inputs": {"carrier": ["AA", "B6"], "distance": [1.5], "hour": [7]}}', "inputs"),
        (b'{"inputs": {"carrier": "AA", "distance": [1.5], "hour": [7]}}', "inputs.carrier"),
        (b'{"inputs": {"carrier": ["AA"], "distance": [1.5], "hour": [7], "id": [""]}}', "id"),
        (b'{"inputs": {"carrier": ["AA"], "distance": [1.5], "hour": [99999999999999999999]}}', "hour"),
        (b'{"dataframe_split": {"columns": ["carrier", "hour"], "data": [["AA"]]}}', "dataframe_split.data[0]"),
        (b'{"dataframe_split": {"columns": ["hour", "hour", "hour"], "data": [[1, 1, 1]]}}', "hour"),
        (b'{"dataframe_split": {"columns": "carrier", "data": []}}', "dataframe_split.columns"),
        (b'{"dataframe_split": [1]}', "dataframe_split"),
        (b'{"dataframe_records": [{"hour": 7, "carrier": "AA", "distance": 1}, {"distance": 1}]}', "hour"),
        (b'{"dataframe_records": [{"hour": 7}, 5]}', "dataframe_records[1]"),
        (b'{"dataframe_records": []}', "rows"),
        (b'{"instances": [["AA", 1.5]]}', "[0]"),
        (b'{"instances": 5}', "instances"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(body, field):
    with pytest.raises(BadRequest) as refusal:
        bind(body)
    assert (refusal.value.field, refusal.value.status) == (field, 400)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"inputs": {"hour": [Infinity]}}', "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"inputs": {}, "instances": []}', "application/json", 400),
        (b'{"inputs": {}, "colour": 1}', "application/json", 400),
        (b"", "text/csv", 400),
        (b"\xff\xfe", "text/csv", 400),
        (b"hour\n1,2\n", "text/csv", 400),
        (b"{}", "image/png", 415),
        (b'{"instances": [' + b"[1]," * 10_000 + b"[1]]}", "application/json", 413),
    ],
)
def test_bodies_that_are_no_table_are_refused(body, content_type, status):
    with pytest.raises(BadRequest) as refusal:
        table_of(content_type, body)
    assert refusal.value.status == status


def test_columns_of_another_version_on_duty_are_let_through():
    body = b'{"inputs": {"carrier": ["AA"], "distance": [1.5], "hour": [7], "new": [1]}}'
    assert [list(row) for row in bind(body, also_known=frozenset({"new"})).rows] == [ROW]


@pytest.mark.parametrize(
    "body",
    [b"a\n" * 500_000, b"\n" * 1_000_000, b"a\n" + b"\n" * 1_000_000, b"a," * 500_000 + b"\n"],
    ids=["rows", "empty lines", "empty lines below a header", "columns"],
)
def test_a_csv_body_beyond_the_limits_is_refused_before_all_of_it_is_parsed(body):
    with pytest.raises(BadRequest) as refusal:
        read_request({b"content-type": b"text/csv"}, body + b"\xff")  # the end is not UTF-8, and is never read
    assert refusal.value.status == 413
