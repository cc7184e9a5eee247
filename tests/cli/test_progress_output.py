"""How a command shows progress: at most one line per five seconds in a pipe, with rate and time left."""

import subprocess
import sys
from itertools import pairwise

import pytest

from cli.progress_output import LINE_SECONDS, ProgressLines, progress_text
from tasks.runtime.progress import progress_to, report_progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_work_of_less_than_five_seconds_shows_no_line():
    clock, lines = Clock(), list[str]()
    show = ProgressLines(lines.append, clock)
    for done in range(5):
        clock.now += LINE_SECONDS / 6
        show("ingest", done, 5, "rows")
    assert lines == []


def test_lines_are_five_seconds_apart_whatever_reports():
    clock, lines, at = Clock(), list[str](), list[float]()
    show = ProgressLines(lambda line: (lines.append(line), at.append(clock.now)), clock)
    for done in range(300):
        clock.now += 0.1
        show("read" if done < 100 else "profile", done, 300, "rows")
    assert 4 <= len(lines) <= 6
    assert min(later - earlier for earlier, later in pairwise(at)) >= LINE_SECONDS
    assert lines[0].startswith("read ")
    assert lines[-1].startswith("profile ")


@pytest.mark.parametrize(
    ("done", "total", "started", "seconds", "text"),
    [
        (200, 1_000, 0, 2.0, "200 of 1,000 rows, 100 rows/s, 8 s left"),
        (700_000, 1_000_000, 500_000, 10.0, "700,000 of 1,000,000 rows, 20,000 rows/s, 15 s left"),
        (1, 11, 0, 20.0, "1 of 11 rows, 20 s per row, 3 min 20 s left"),
        (0, 5, 0, 0.0, "0 of 5 rows"),
        (5, 5, 0, 9.0, "5 of 5 rows"),
    ],
)
def test_the_rate_counts_what_was_done_in_this_run(done, total, started, seconds, text):
    assert progress_text(done, total, "rows", started, seconds) == text


def test_reports_go_to_the_innermost_receiver_only():
    outer, inner = list[str](), list[str]()
    with progress_to(lambda what, *_: outer.append(what)):
        with progress_to(lambda what, *_: inner.append(what)):
            report_progress("first", 0, 1)
        report_progress("second", 0, 1)
    report_progress("third", 0, 1)
    assert (outer, inner) == (["second"], ["first"])


def test_standard_output_has_no_progress(tmp_path):
    code = (
        "import cli.progress_output as output, tasks.runtime.progress as progress\n"
        "output.LINE_SECONDS = 0\n"
        "with output.progress_shown():\n"
        "    progress.report_progress('ingest', 1, 2, 'rows')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    assert ended.stderr == "autopilot: ingest 1 of 2 rows\n"
