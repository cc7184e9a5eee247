import random

import pytest

from gateway.log.segments import Segments, encode_line
from healing.errors import LogCorrupt


def opened(directory, segment_bytes_max=10_000):
    log = Segments(directory, "predictions", segment_bytes_max)
    return log, log.open()


def write(log, first, last):
    for number in range(first, last + 1):
        log.append(number, encode_line((number, f"r{number}", None, 0.5)))


def numbers(log, after=0, limit=1_000_000):
    return [entry[0] for entry in log.read(after, limit)]


def test_it_reads_what_was_written_from_any_place(tmp_path):
    log, last = opened(tmp_path, segment_bytes_max=200)
    assert last == 0
    write(log, 1, 100)
    assert len(log.paths()) > 10
    assert numbers(log) == list(range(1, 101))
    for after in (0, 1, 37, 99, 100, 500):
        assert numbers(log, after, limit=20) == list(range(after + 1, min(after + 20, 100) + 1))


def test_it_goes_on_counting_after_it_was_closed(tmp_path):
    log, _ = opened(tmp_path)
    write(log, 1, 3)
    log.close()
    log, last = opened(tmp_path)
    assert last == 3
    write(log, 4, 4)
    assert numbers(log) == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(30))
def test_a_crash_at_any_byte_loses_the_line_that_was_not_whole_and_no_other(tmp_path, seed):
    log, _ = opened(tmp_path, segment_bytes_max=300)
    write(log, 1, 20)
    path = log.paths()[-1]
    content = path.read_bytes()
    cut = random.Random(seed).randrange(len(content) + 1)
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    before = 20 - content.count(b"\n")
    log, last = opened(tmp_path, segment_bytes_max=300)
    assert last == before + whole
    write(log, last + 1, last + 2)
    assert numbers(log) == list(range(1, last + 3))


def test_garbage_that_a_power_cut_left_at_the_end_is_cut_off(tmp_path):
    log, _ = opened(tmp_path)
    write(log, 1, 5)
    with log.paths()[-1].open("ab") as stream:
        stream.write(b"\0" * 512 + b"\n")
    log, last = opened(tmp_path)
    assert last == 5


def test_a_line_that_changed_is_named(tmp_path):
    log, _ = opened(tmp_path)
    write(log, 1, 5)
    path = log.paths()[-1]
    path.write_bytes(path.read_bytes().replace(b"r3", b"r9"))
    with pytest.raises(LogCorrupt, match=r"predictions-.*checksum"):
        numbers(log)
