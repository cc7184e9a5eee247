"""Service is noticed from the counts of readings that are made anyway."""

from healing.slo import AnswerCounts
from healing.verdict import Outcome
from tasks.incidents.mitigation import REQUESTS_MIN, MitigationWatch


def test_answers_of_a_fallback_are_service():
    watch = MitigationWatch()
    watch.begin("i", AnswerCounts(good=100, failed=7))
    assert watch.judge("i", AnswerCounts(good=100, degraded=REQUESTS_MIN - 1, failed=7)) is None
    assert watch.judge("i", AnswerCounts(good=100, degraded=REQUESTS_MIN, failed=7)).passed


def test_a_stretch_with_failures_is_followed_by_another():
    watch = MitigationWatch()
    watch.begin("i", AnswerCounts(good=50))
    assert watch.judge("i", AnswerCounts(good=50, failed=20)).outcome is Outcome.FAIL
    assert watch.judge("i", AnswerCounts(good=50, failed=20)) is None
    assert watch.judge("i", AnswerCounts(good=50, degraded=30, failed=20)).passed


def test_counters_that_a_restart_reset_are_counted_from_zero():
    watch = MitigationWatch()
    watch.begin("i", AnswerCounts(good=1_000))
    assert watch.judge("i", AnswerCounts(good=REQUESTS_MIN)).passed


def test_nothing_is_judged_that_is_not_watched():
    watch = MitigationWatch()
    watch.begin("silent gateway", None)
    assert watch.judge("silent gateway", AnswerCounts(good=100)) is None
    watch.begin("ended", AnswerCounts())
    watch.end("ended")
    assert watch.judge("ended", AnswerCounts(good=100)) is None
    watch.begin("silent now", AnswerCounts())
    assert watch.judge("silent now", None) is None
