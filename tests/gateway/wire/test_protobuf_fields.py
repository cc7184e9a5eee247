"""What a message costs is known before it is parsed."""

import pytest

from gateway.rows.refusals import BadRequest
from gateway.wire.grpc_messages import ModelInferRequest
from gateway.wire.protobuf_fields import check_field_count


def test_the_fields_of_a_message_are_counted_and_not_those_within_them():
    message = ModelInferRequest(model_name="tiny", id="a", raw_input_contents=[b"x" * 300, b""])
    message.inputs.add(name="carrier", shape=[1, 2, 3])
    body = message.SerializeToString()
    check_field_count(body, 5)
    with pytest.raises(BadRequest, match="at most 4 fields"):
        check_field_count(body, 4)


def test_every_wire_type_with_a_size_is_followed():
    check_field_count(b"\x08\x96\x01" + b"\x11" + b"x" * 8 + b"\x1d" + b"x" * 4 + b"\x22\x02ab", 4)


@pytest.mark.parametrize(
    "body", [b"\x0b", b"\x0c", b"\x0f\x01", b"\x0a\x05ab", b"\x09abc", b"\x08", b"\x08" + b"\xff" * 11, b"\xff"]
)
def test_what_is_no_message_is_refused(body):
    with pytest.raises(BadRequest, match="expected a protobuf message"):
        check_field_count(body, 10)


def test_millions_of_empty_inputs_are_refused_before_they_take_memory():
    with pytest.raises(BadRequest) as refusal:
        check_field_count(b"\x2a\x00" * 4_000_000, 30_000)
    assert refusal.value.status == 413
