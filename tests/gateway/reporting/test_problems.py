from gateway.reporting.problems import ProblemBoard
from healing.incident import Cause

CONDITION = (Cause.MODEL_FAILING, "a digest", "it fails")


def test_a_problem_lasts_as_long_as_its_condition_holds_and_is_reported_once():
    board, conditions, reported = ProblemBoard(), [CONDITION], []
    board.sources.append(lambda: conditions)
    board.listeners.append(reported.append)
    (first,) = board.current()
    (again,) = board.current()
    assert (first.code, first.subject, first.message) == CONDITION
    assert first.since == again.since
    assert reported == [first]
    assert board.has(Cause.MODEL_FAILING, "a digest")
    conditions.clear()
    assert board.current() == []


def test_a_condition_takes_its_newest_words():
    board, words = ProblemBoard(), ["first"]
    board.sources.append(lambda: [(Cause.DISK_FULL, "folder", words[-1])])
    assert board.current()[0].message == "first"
    words.append("second")
    assert board.current()[0].message == "second"
