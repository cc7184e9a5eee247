import os
import random

import pytest

from gateway.log.segments import CUT_OFF, Segments, decode_line, encode_line


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


def test_a_page_begins_near_the_end_of_the_page_before(tmp_path, monkeypatch):
    log, _ = opened(tmp_path, segment_bytes_max=10**6)
    log.append(1, b"".join(encode_line((number, "r")) for number in range(1, 5001)))
    decoded = []

    def counting(line):
        decoded.append(line)
        return decode_line(line)

    monkeypatch.setattr("gateway.log.segments.decode_line", counting)
    for after in range(0, 5000, 100):
        assert numbers(log, after, limit=100) == list(range(after + 1, after + 101))
    assert len(decoded) < 5 * 5000  # 125,000 without places
    assert numbers(log, 42, limit=3) == [43, 44, 45]


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
    assert last >= before + whole
    assert log.damaged == []  # a kill is no damage
    write(log, last + 1, last + 2)
    assert numbers(log) == [*range(1, before + whole + 1), last + 1, last + 2]


def test_garbage_that_a_power_cut_left_at_the_end_is_cut_off(tmp_path):
    log, _ = opened(tmp_path)
    write(log, 1, 5)
    with log.paths()[-1].open("ab") as stream:
        stream.write(b"\0" * 512 + b"\n")
    log, last = opened(tmp_path)
    assert last >= 5
    assert numbers(log) == [1, 2, 3, 4, 5]
    (kept,) = log.damaged
    assert kept.read_bytes().endswith(b"\0" * 512 + b"\n")


def test_entries_lost_at_the_end_give_no_later_entry_a_number_that_a_reader_has_seen(tmp_path):
    log, _ = opened(tmp_path)
    write(log, 1, 20)
    path = log.paths()[-1]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:10]))  # what a power cut leaves
    log, last = opened(tmp_path)
    write(log, last + 1, last + 30)
    assert numbers(log, after=20) == list(range(last + 1, last + 31))
    assert numbers(log) == [*range(1, 11), *range(last + 1, last + 31)]


def test_a_flipped_byte_costs_its_own_line_and_no_other_and_the_file_is_kept_as_it_was(tmp_path):
    log, _ = opened(tmp_path)
    write(log, 1, 8)
    path = log.paths()[-1]
    damaged = path.read_bytes().replace(b"r2", b"r9")
    path.write_bytes(damaged)
    log, last = opened(tmp_path)
    assert numbers(log) == [1, 3, 4, 5, 6, 7, 8]
    assert last >= 8
    (kept,) = log.damaged
    assert kept.read_bytes() == damaged
    write(log, last + 1, last + 1)
    assert numbers(log)[-1] == last + 1


def test_a_line_that_changed_meanwhile_costs_itself_and_no_other_and_is_named(tmp_path):
    log, _ = opened(tmp_path)
    write(log, 1, 5)
    path = log.paths()[-1]
    content = path.read_bytes()
    _write_over(path, content.replace(b"r3", b"r9"))
    assert numbers(log) == [1, 2, 4, 5]
    assert {path: len(ends) for path, ends in log.unsound.items()} == {path: 1}
    write(log, 6, 7)
    assert numbers(log) == [1, 2, 4, 5, 6, 7]
    _write_over(path, content)
    assert numbers(log) == [1, 2, 3, 4, 5, 6, 7]
    assert log.unsound == {}


@pytest.mark.parametrize("seed", range(10))
def test_a_log_that_is_cut_off_meanwhile_loses_what_was_cut_off_and_nothing_that_comes_later(tmp_path, seed):
    log, _ = opened(tmp_path)
    write(log, 1, 8)
    path = log.paths()[-1]
    content = path.read_bytes()
    cut = random.Random(seed).randrange(len(content))
    os.truncate(path, cut)
    write(log, 9, 12)
    left = content[:cut].count(b"\n")
    assert numbers(log) == [*range(1, left + 1), 9, 10, 11, 12]
    assert CUT_OFF in log.unsound[path]
    log, last = opened(tmp_path)
    assert last >= 12
    assert numbers(log) == [*range(1, left + 1), 9, 10, 11, 12]


def _write_over(path, content):
    """Change bytes of a file that stays open elsewhere."""
    with path.open("r+b") as file:
        file.write(content)
