import asyncio
import json
import resource
import sqlite3
from contextlib import asynccontextmanager, closing

import pytest

from gateway.predictions import Label, LogRow, PredictionLog
from gateway.problems import ProblemBoard
from healing.errors import StoreUnavailable
from healing.incident import Cause


@asynccontextmanager
async def opened(directory):
    log = PredictionLog(directory, ProblemBoard())
    log.open()
    try:
        yield log
    finally:
        await log.close()


def answered(name: str) -> LogRow:
    return (name, 0, "2013-03-01T12:00:00+00:00", 1, "d", "0.1.0", "champion", "k", '["AA",1.5]', 0.25)


async def test_rows_are_readable_once_recorded_and_in_order(tmp_path):
    async with opened(tmp_path) as log:
        log.remember_model("d", "0.1.0", ["carrier", "distance"])
        assert await log.record([answered("r1"), answered("r2")])
        lines = [json.loads(line) for line in log.read(after=0, limit=10)]
        assert [line["request_id"] for line in lines] == ["r1", "r2"]
        assert lines[0]["features"] == {"carrier": "AA", "distance": 1.5}
        assert [json.loads(line)["seq"] for line in log.read(after=lines[0]["seq"], limit=10)] == [lines[1]["seq"]]


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
        assert log.commits < 100


async def test_closing_commits_what_is_left(tmp_path):
    async with opened(tmp_path) as log:
        log.record([answered("last")])
    with closing(sqlite3.connect(tmp_path / "predictions.db")) as database:
        assert database.execute("SELECT count(*) FROM predictions").fetchone() == (1,)


async def test_a_label_said_twice_is_kept_once_and_a_correction_replaces_it(tmp_path):
    async with opened(tmp_path) as log:
        for value in (1.0, 1.0, 0.0):
            assert await log.record_labels([Label("r1", 0, value, "2013-03-01T12:00:00+00:00")])
    with closing(sqlite3.connect(tmp_path / "predictions.db")) as database:
        assert database.execute("SELECT request_id, row, label FROM feedback").fetchall() == [("r1", 0, 0.0)]


async def test_a_full_disk_is_told_and_counted_and_forgotten_when_there_is_room(tmp_path):
    problems = ProblemBoard()
    log = PredictionLog(tmp_path, problems)
    log.open()
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        log.remember_model("d", "0.1.0", ["carrier", "distance"])
        assert await log.record([answered("before")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, allowed[1]))  # no file may grow beyond 1 kB
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
