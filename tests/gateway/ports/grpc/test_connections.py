"""A connection is ended between two frames, wherever the bytes are cut."""

import random

import pytest

from gateway.ports.grpc.connections import FrameBoundaries

SETTINGS, HEADERS, CONTINUATION, DATA = 4, 1, 9, 0


def frame(kind, size, flags=0):
    return size.to_bytes(3) + bytes([kind, flags]) + (1).to_bytes(4) + b"\x00" * size


STREAM = [
    (frame(SETTINGS, 18), True),
    (frame(HEADERS, 40, flags=0), False),
    (frame(CONTINUATION, 9, flags=0), False),
    (frame(CONTINUATION, 0, flags=4), True),
    (frame(DATA, 16_384), True),
    (frame(HEADERS, 12, flags=5), True),
    (frame(DATA, 0), True),
]


def test_nothing_comes_before_the_settings():
    assert not FrameBoundaries().between


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_followed_in_pieces_of_any_size(seed):
    generator = random.Random(seed)
    content = b"".join(part for part, _ in STREAM)
    ends, at = set(), 0
    for part, between in STREAM:
        at += len(part)
        if between:
            ends.add(at)
    boundaries, at = FrameBoundaries(), 0
    while at < len(content):
        step = generator.choice((1, 2, 8, 9, 10, 100, 5000))
        boundaries.advance(content[at : at + step])
        at = min(at + step, len(content))
        assert boundaries.between == (at in ends)
