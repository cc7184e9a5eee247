import math
from array import array

import pytest

from gateway.workers.frames import HEADER, Decoder, FrameKind, WorkerFrame, decode_answer, encode, encode_answer


def test_frames_come_out_whole_however_the_stream_is_cut():
    stream = (
        encode(FrameKind.BATCH, 1, b"[[1]]")
        + encode(FrameKind.READY)
        + encode_answer(7, array("d", [0.5, math.nan]), "why")
    )
    for size in (1, 3, 1000):
        decoder = Decoder()
        frames = [f for start in range(0, len(stream), size) for f in decoder.feed(stream[start : start + size])]
        assert frames[:2] == [WorkerFrame(FrameKind.BATCH, 1, b"[[1]]"), WorkerFrame(FrameKind.READY, 0, b"")]
        values, note = decode_answer(frames[2].payload)
        assert values[0] == 0.5
        assert math.isnan(values[1])
        assert note == "why"


def test_a_stream_out_of_step_is_refused():
    with pytest.raises(ValueError, match="out of step"):
        list(Decoder().feed(HEADER.pack(2**31, 1, 1)))
    with pytest.raises(ValueError, match="99"):
        list(Decoder().feed(HEADER.pack(0, 99, 1)))


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\2" + b"\0" * 8])
def test_an_answer_that_is_too_short_is_refused(payload):
    with pytest.raises(ValueError, match="bytes"):
        decode_answer(payload)


def test_rows_with_several_numbers_are_their_values_with_the_outputs_beside_them():
    frame = next(Decoder().feed(encode_answer(1, array("d", [1.0, 0.2, 0.8, math.nan, math.nan, 0.5]), width=3)))
    values, _ = decode_answer(frame.payload)
    assert values[0] == 1.0
    assert list(values[0].outputs) == [0.2, 0.8]
    assert math.isnan(values[1])
