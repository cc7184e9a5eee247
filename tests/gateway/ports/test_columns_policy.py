import pytest

from gateway.ports.columns_policy import ColumnsPolicy, names_in_header
from gateway.rows.refusals import BadRequest
from gateway.rows.schema import BoundRows

BOUND = BoundRows([["AA"]], [None], ignored=("colour", "a,b"), absent=("miles",))


def test_columns_are_named_by_default():
    headers = ColumnsPolicy("name", "name").headers(BOUND)
    assert headers == [(b"x-ignored-columns", b"colour,a%2Cb"), (b"x-absent-columns", b"miles")]


def test_extra_columns_may_be_ignored():
    assert ColumnsPolicy("ignore", "name").headers(BOUND) == [(b"x-absent-columns", b"miles")]


@pytest.mark.parametrize(
    ("policy", "field", "code"),
    [
        (ColumnsPolicy("refuse", "name"), "colour", "EXTRA_COLUMNS"),
        (ColumnsPolicy("name", "refuse"), "miles", "ABSENT_COLUMNS"),
    ],
)
def test_a_setting_refuses_them(policy, field, code):
    with pytest.raises(BadRequest) as refusal:
        policy.headers(BOUND)
    assert (refusal.value.field, refusal.value.code, refusal.value.status) == (field, code, 400)


def test_a_header_of_names_is_bounded():
    header = names_in_header([f"column {number}\r\n\ud800" for number in range(10_000)])
    assert len(header) < 2048
    assert header.startswith(b"column%200%0D%0A%3F,")
