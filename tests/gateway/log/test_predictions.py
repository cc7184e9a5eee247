import asyncio
import errno
import json
import resource
import threading
import time
from contextlib import asynccontextmanager

import pytest

from gateway.log.predictions import FeedbackLabel, LogLimits, LogRow, LogStream, PredictionLog
from gateway.log.redaction import LogRules, Redaction
from gateway.log.segments import Segments, encode_line
from gateway.reporting.problems import ProblemBoard
from healing.errors import StoreUnavailable
from healing.incident import Cause


@asynccontextmanager
async def opened(directory, problems=None, limits=None, redaction=None):
    log = PredictionLog(directory, problems or ProblemBoard(), limits, redaction)
    log.open()
    try:
        yield log
    finally:
        await log.close()


def answered(name: str) -> LogRow:
    told = (name, 0, "2013-03-01T12:00:00+00:00", 1, "d", "0.1.0", "champion", "k", {"carrier": "AA"}, 0.25)
    return (*told, None, "", 3.5)


async def _wait_for(done):
    return await done


async def test_rows_are_readable_once_recorded_and_in_order(tmp_path):
    async with opened(tmp_path) as log:
        assert await log.record([answered("r1"), answered("r2")])
        lines = [json.loads(line) for line in log.read(after=0, limit=10)]
        assert [line["request_id"] for line in lines] == ["r1", "r2"]
        assert lines[0]["features"] == {"carrier": "AA"}
        assert [json.loads(line)["seq"] for line in log.read(after=lines[0]["seq"], limit=10)] == [lines[1]["seq"]]


async def test_a_large_request_is_encoded_by_the_thread_and_numbered_like_any_other(tmp_path):
    async with opened(tmp_path) as log:
        rows = [(f"r{number}", *answered("")[1:]) for number in range(300)]
        before, large, after = log.record([answered("b")]), log.record(rows), log.record([answered("a")])
        assert await before
        assert await large
        assert await after
        lines = [json.loads(line) for line in log.read(after=0, limit=1000)]
    assert [line["request_id"] for line in lines] == ["b", *(row[0] for row in rows), "a"]
    assert [line["seq"] for line in lines] == list(range(1, 303))


async def test_a_large_request_that_cannot_be_encoded_leaves_unlogged_and_the_log_goes_on(tmp_path):
    problems = ProblemBoard()
    async with opened(tmp_path, problems) as log:
        odd = (*answered("odd")[:8], {"carrier": object()}, *answered("odd")[9:])
        assert not await log.record([*[answered("sound")] * 99, odd])
        assert log.unlogged == 100
        assert await log.record([answered("next")])
        assert [json.loads(line)["request_id"] for line in log.read(after=0, limit=1000)] == ["next"]


async def test_shadow_scores_are_logged_beside_and_say_what_went_wrong(tmp_path):
    async with opened(tmp_path) as log:
        scored = ("r1", 0, "2013-03-01T12:00:00+00:00", 3, "d", "0.2.0", 0.75, "")
        failed = ("r2", 0, "2013-03-01T12:00:00+00:00", 3, "d", "0.2.0", None, "silent for 1.0 s")
        assert await log.record_shadow([scored, failed])
        lines = [json.loads(line) for line in log.read_shadow(after=0, limit=10)]
        assert [(line["request_id"], line["prediction"], line["error"]) for line in lines] == [
            ("r1", 0.75, ""),
            ("r2", None, "silent for 1.0 s"),
        ]
        assert list(log.read(after=0, limit=10)) == []


async def test_what_waits_together_is_committed_together(tmp_path):
    async with opened(tmp_path) as log:
        await asyncio.gather(*(log.record([answered(f"r{n}")]) for n in range(500)))
        assert log.commits == 1


async def test_one_who_stops_waiting_takes_nobody_along(tmp_path):
    async with opened(tmp_path) as log:
        waiting = [asyncio.ensure_future(_wait_for(log.record([answered(f"r{n}")]))) for n in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        assert await waiting[0]
        assert await waiting[2]


def entries(log):
    return [json.loads(line) for line in log.read(0, 1000)]


async def test_a_request_asked_again_and_answered_alike_is_logged_once_also_after_a_restart(tmp_path):
    async with opened(tmp_path) as log:
        assert all(await asyncio.gather(log.record([answered("r1")]), log.record([answered("r1")])))
        assert await log.record([answered("r1")])
    async with opened(tmp_path) as log:
        assert await log.record([answered("r1")])
        assert [entry["request_id"] for entry in entries(log)] == ["r1"]


async def test_requests_are_recognised_by_what_the_log_does_not_have(tmp_path):
    """Also after a restart: dropped values distinguish requests to which a proxy gave the same id."""
    redaction = Redaction(LogRules(frozenset({"tail"}), frozenset({"carrier"})), b"s" * 32)

    def asked(tail):
        raw = answered("r1")
        return redaction.rows([(*raw[:8], {"carrier": "AA", "tail": tail}, *raw[9:])])

    for _ in range(2):
        async with opened(tmp_path, redaction=redaction) as log:
            assert all(await asyncio.gather(*(log.record(asked(tail)) for tail in ("N1", "N2", "N1"))))
            assert [entry["request_id"] for entry in entries(log)] == ["r1", "r1"]
    on_disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"r1" in on_disk
    assert not [raw for raw in (b"N1", b"N2", b'"AA"') if raw in on_disk]


async def test_a_request_asked_again_and_answered_otherwise_says_what_it_replaces(tmp_path):
    async with opened(tmp_path) as log:
        rows = [answered("r1"), (*answered("r1")[:1], 1, *answered("r1")[2:])]
        assert await log.record(rows)
    for prediction in (0.5, 0.75):
        async with opened(tmp_path) as log:
            assert await log.record([(*row[:9], prediction, *row[10:]) for row in rows])
            assert await log.record([(*row[:9], prediction, *row[10:]) for row in rows])
    assert [(e["seq"], e.get("replaces")) for e in entries(log)] == [
        (1, None),
        (2, None),
        (3, 1),
        (4, 2),
        (5, 1),
        (6, 2),
    ]


async def test_a_log_of_an_older_gateway_is_read_and_gone_on_with(tmp_path):
    number, original = 3, 1
    told = [answered(name)[:9] for name in ("r1", "r2", "r1")]
    known = [(*told[0], 0.25), (*told[1], 0.25), (*told[2], 0.5, original)]  # the last one replaces the first
    older = Segments(tmp_path, LogStream.PREDICTIONS, 2**20)
    older.open()
    older.append(1, b"".join(encode_line((n, *row)) for n, row in enumerate(known, start=1)))
    older.close()
    async with opened(tmp_path) as log:
        assert await log.record([(*answered("r1")[:9], 0.5, *answered("r1")[10:])])  # asked again, answered alike
        assert await log.record([(*answered("r1")[:9], 0.75, *answered("r1")[10:])])
        found = entries(log)
    assert [(e["seq"], e.get("replaces"), e.get("latency_ms")) for e in found] == [
        (1, None, None),
        (2, None, None),
        (number, original, None),
        (4, original, 3.5),
    ]


async def test_a_constant_request_id_keeps_every_row_that_asks_something_else(tmp_path):
    async with opened(tmp_path) as log:
        for number in range(3):
            row = answered("constant")
            assert await log.record([(*row[:7], f"flight {number}", {"carrier": f"C{number}"}, *row[9:])])
        assert [(e["key"], e.get("replaces")) for e in entries(log)] == [(f"flight {n}", None) for n in range(3)]


async def test_other_rows_under_a_used_request_id_are_another_request(tmp_path):
    async with opened(tmp_path) as log:
        assert await log.record([answered("page")])
        assert await log.record([answered("page"), answered("page")])
        assert [entry.get("replaces") for entry in entries(log)] == [None, None, None]


async def test_a_log_that_nobody_drains_stops_at_its_bound_tells_and_goes_on_when_it_was_drained(tmp_path):
    problems = ProblemBoard()
    limits = LogLimits(segment_bytes_max=1000, bytes_max=4000)
    async with opened(tmp_path, problems, limits) as log:
        number = 0
        while await log.record([answered(f"r{number}")]):
            number += 1
        assert number > 20
        assert log.unlogged == 1
        assert problems.has(Cause.DISK_FULL, str(tmp_path))
        assert "wait to be drained" in problems.current()[0].message
        assert await log.record_shadow([("r1", 0, "2013-03-01T12:00:00+00:00", 3, "d", "0.2.0", 0.75, "")])
        assert problems.has(Cause.DISK_FULL, str(tmp_path))
        last = entries(log)[-1]["seq"]
        assert log.drained(LogStream.PREDICTIONS, "another log", last) == 0
        assert log.drained(LogStream.PREDICTIONS, log.epoch(LogStream.PREDICTIONS), last) > 0
        assert await log.record([answered("after")])
        assert problems.current() == []
        assert entries(log)[-1]["request_id"] == "after"


async def test_a_log_that_is_wiped_under_the_gateway_begins_another_epoch(tmp_path):
    async with opened(tmp_path) as log:
        assert await log.record([answered("r1")])
        before = log.epoch(LogStream.PREDICTIONS)
        for path in tmp_path.glob("predictions-*"):
            path.unlink()
        assert await log.record([answered("r2")])
        assert log.epoch(LogStream.PREDICTIONS) != before
        assert [entry["request_id"] for entry in entries(log)] == ["r2"]


async def test_a_stream_that_failed_once_is_no_problem_once_the_disk_takes_another_one(tmp_path, monkeypatch):
    problems = ProblemBoard()
    async with opened(tmp_path, problems) as log:
        shadow = log._segments[LogStream.SHADOW]

        def fail(first, lines):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(shadow, "append", fail)
            assert not await log.record_shadow([("r1", 0, "2013-03-01T12:00:00+00:00", 3, "d", "0.2.0", 0.75, "")])
        assert problems.has(Cause.DISK_FULL, str(tmp_path))
        assert await log.record([answered("r1")])
        assert problems.current() == []


async def test_closing_commits_what_is_left(tmp_path):
    async with opened(tmp_path) as log:
        log.record([answered("last")])
    async with opened(tmp_path) as log:
        assert [json.loads(line)["request_id"] for line in log.read(0, 10)] == ["last"]


async def test_of_several_labels_for_one_row_the_last_one_holds(tmp_path):
    async with opened(tmp_path) as log:
        for value in (1.0, 1.0, 0.0):
            assert await log.record_labels([FeedbackLabel("r1", 0, value, "2013-03-01T12:00:00+00:00")])
        lines = [json.loads(line) for line in log.read_labels(0, 10)]
    assert {(line["request_id"], line["row"]): line["label"] for line in lines} == {("r1", 0): 0.0}


async def test_a_full_disk_is_told_and_counted_and_forgotten_when_there_is_room(tmp_path):
    problems = ProblemBoard()
    log = PredictionLog(tmp_path, problems)
    log.open()
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        assert await log.record([answered("before")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, allowed[1]))  # no file may grow beyond 300 bytes
        assert not await log.record([answered("unlogged"), answered("unlogged")])
        assert log.unlogged == 2
        assert problems.has(Cause.DISK_FULL, str(tmp_path))
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
        assert await log.record([answered("after")])
        assert problems.current() == []
        assert [json.loads(line)["request_id"] for line in log.read(0, 10)] == ["before", "after"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
        await log.close()


async def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot be opened for writing"):
        PredictionLog(tmp_path / "file" / "state", ProblemBoard()).open()


async def test_damage_is_reported_and_the_sound_rows_stay(tmp_path):
    async with opened(tmp_path) as log:
        for number in range(8):
            assert await log.record([answered(f"r{number}")])
    (path,) = tmp_path.glob("predictions-*.log")
    path.write_bytes(path.read_bytes().replace(b"r1", b"r9"))
    problems = ProblemBoard()
    async with opened(tmp_path, problems) as log:
        assert [entry["request_id"] for entry in entries(log)] == ["r0", *(f"r{number}" for number in range(2, 8))]
    (problem,) = problems.current()
    assert "predictions-" in problem.message


def stall(log, seconds):
    """Let the next writes of answers hang until `seconds` are over, as a disk that does not answer."""
    segments, released = log._segments[LogStream.PREDICTIONS], threading.Event()
    append = segments.append

    def hang(first, lines):
        released.wait(60)
        append(first, lines)

    segments.append = hang
    timer = threading.Timer(seconds, released.set)
    timer.start()
    return timer


async def test_a_write_that_stalls_delays_answers_for_a_bounded_time_and_nothing_else(tmp_path):
    problems = ProblemBoard()
    async with opened(tmp_path, problems) as log:
        assert await log.record([answered("before")])
        stalled, started = stall(log, seconds=6), time.monotonic()
        first = log.record([answered("r1"), answered("r1")])
        await asyncio.sleep(0.05)
        assert time.monotonic() - started < 3  # the loop goes on
        assert not await first
        assert not await log.record([answered("r2")])
        assert time.monotonic() - started < 3
        assert log.unlogged == 3
        assert problems.has(Cause.STORE_UNAVAILABLE, str(tmp_path))
        assert "has not taken a write" in problems.current()[0].message
        await asyncio.to_thread(stalled.join)
        async with asyncio.timeout(60):
            while log.unlogged:  # noqa: ASYNC110  what was late is in the log after all
                await asyncio.sleep(0.01)
        assert await log.record([answered("after")])
        assert problems.current() == []
        assert [entry["request_id"] for entry in entries(log)] == ["before", "r1", "r1", "r2", "after"]


async def test_a_disk_that_stays_stalled_does_not_fill_the_memory_and_does_not_hold_up_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.log.appender._WAITING_BYTES_MAX", 2000)
    log = PredictionLog(tmp_path, ProblemBoard())
    log.open()
    stalled = stall(log, seconds=8)
    for number in range(200):
        assert not await log.record([answered(f"r{number}")])
    assert log.unlogged == 200
    started = time.monotonic()
    await log.close()
    assert time.monotonic() - started < 6
    await asyncio.to_thread(stalled.join)


async def test_a_second_gateway_on_one_state_directory_is_refused(tmp_path):
    async with opened(tmp_path) as log:
        assert await log.record([answered("r1")])
        with pytest.raises(StoreUnavailable, match="another gateway"):
            PredictionLog(tmp_path, ProblemBoard()).open()
        assert await log.record([answered("r2")])
        assert [entry["request_id"] for entry in entries(log)] == ["r1", "r2"]
    async with opened(tmp_path) as log:
        assert len(entries(log)) == 2
