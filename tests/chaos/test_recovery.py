import pytest

from chaos.load import Answer
from chaos.record import Sample
from chaos.recovery import (
    Interval,
    Timings,
    fault_onset,
    in_time,
    onset,
    timings_of_batch,
    timings_of_requests,
    unproven_faults,
)
from chaos.reference_answers import AnswerClass
from tests.chaos.records import classified, fault, opened, started, steady


def timed(answers, samples, entries=(), *, hold_seconds=2.0, slo=0.99):
    return timings_of_requests(
        classified(*answers),
        samples,
        entries,
        causes=("model_corrupt",),
        slo=slo,
        window_seconds=1.0,
        hold_seconds=hold_seconds,
    )


def seconds(interval):
    return interval.before, interval.after


def test_the_difference_of_two_intervals_covers_every_possible_duration():
    assert Interval(12.0, 13.0).since(Interval(9.0, 10.0)) == Interval(2.0, 4.0)


def test_overlapping_intervals_never_give_a_negative_duration():
    assert Interval(9.5, 10.5).since(Interval(9.0, 10.0)) == Interval(0.0, 1.5)


def test_an_interval_refuses_to_run_backwards():
    with pytest.raises(ValueError, match="forward"):
        Interval(2.0, 1.0)


def test_onset_lies_between_the_last_sample_without_and_the_first_with_the_fact():
    samples = [Sample("up", 1.0, False), Sample("up", 2.0, False), Sample("other", 2.5, True), Sample("up", 3.0, True)]
    assert onset(samples, "up") == Interval(2.0, 3.0)


def test_a_fact_that_never_held_has_no_onset():
    assert onset([Sample("up", 1.0, False)], "up") is None


def test_a_fault_of_two_parts_is_active_when_the_last_of_them_is():
    samples = fault((1.0, False), (2.0, True), part="file") + fault((3.0, False), (4.0, True), part="worker")
    assert fault_onset(samples) == Interval(3.0, 4.0)
    assert fault_onset(samples, first=True) == Interval(1.0, 2.0)
    assert fault_onset([*samples, *fault((5.0, False), part="another")], first=True) is None


def test_a_part_that_is_injected_later_does_not_move_the_onset_and_has_to_be_proven():
    later = [Sample("later_fault_active", at, holds, "leader killed") for at, holds in ((7.0, False), (8.0, True))]
    samples = fault((1.0, False), (2.0, True), part="file") + later
    assert fault_onset(samples) == Interval(1.0, 2.0)
    assert unproven_faults(samples) == []
    assert unproven_faults(samples[:-1]) == ["leader killed"]


def test_a_correct_answer_that_comes_late_is_degraded_and_a_failed_one_stays_failed():
    quick, late, failed = (
        Answer(i, "0", at, at, at + took, 200) for i, at, took in ((0, 1, 0.1), (1, 2, 0.9), (2, 3, 9))
    )
    assert in_time(quick, AnswerClass.GOOD, 0.5) == (quick, AnswerClass.GOOD)
    assert in_time(late, AnswerClass.GOOD, 0.5) == (late, AnswerClass.DEGRADED)
    assert in_time(failed, AnswerClass.FAILED, 0.5) == (failed, AnswerClass.FAILED)


def test_a_fault_with_an_unproven_part_is_not_active():
    samples = fault((1.0, False), (2.0, True), part="file") + fault((3.0, False), part="worker")
    assert fault_onset(samples) is None
    assert unproven_faults(samples) == ["worker"]


def test_times_of_a_champion_that_fails_over_to_a_fallback_and_is_rolled_back():
    answers = steady(0, 10, "good") + steady(10, 20, "degraded") + steady(20, 25, "good")
    entries = [opened(12.0, "a", "model_corrupt"), started(13.5, "a")]
    timings = timed(answers, fault((9.95, False), (9.97, True)), entries)
    assert timings.t0 == Interval(9.95, 9.97)
    assert timings.t1 == Interval(9.95, 10.0)
    assert timings.t2 == Interval(12.0, 12.0)
    assert timings.t3 == Interval(13.5, 13.5)
    assert timings.t4 == timings.t1  # a fallback counts, and no request was lost
    assert timings.t5 == Interval(19.9, 20.0)
    assert seconds(timings.recover) == pytest.approx((9.93, 10.05))
    assert timings.act == Interval(1.5, 1.5)


def test_failed_answers_delay_mitigation_until_every_window_keeps_the_objective():
    answers = steady(0, 10, "good") + steady(10, 12, "failed") + steady(12, 20, "degraded") + steady(20, 25, "good")
    timings = timed(answers, fault((9.95, False), (9.97, True)))
    assert timings.t4 is not None
    assert timings.t4.after == pytest.approx(13.0, abs=0.11)  # a window of 1 s without the last failure


def test_service_that_stays_down_has_neither_mitigation_nor_recovery():
    timings = timed(steady(0, 10, "good") + steady(10, 20, "failed"), fault((9.95, False), (9.97, True)))
    assert timings.t1 is not None
    assert timings.t4 is None
    assert timings.t5 is None
    assert timings.recover is None


def test_a_fallback_mitigates_and_does_not_recover():
    timings = timed(steady(0, 10, "good") + steady(10, 20, "degraded"), fault((9.95, False), (9.97, True)))
    assert timings.t4 is not None
    assert timings.t5 is None


def test_service_that_did_not_hold_long_enough_has_not_recovered():
    answers = steady(0, 10, "good") + steady(10, 20, "degraded") + steady(20, 21, "good")
    assert timed(answers, fault((9.95, False), (9.97, True)), hold_seconds=2.0).t5 is None


def test_recovery_is_after_the_last_bad_answer():
    answers = steady(0, 10, "good") + steady(10, 20, "degraded") + steady(20, 25, "good")
    answers += [(25.0, "wrong"), *steady(25.1, 30, "good")]
    assert timed(answers, fault((9.95, False), (9.97, True))).t5 == Interval(25.0, 25.1)


def test_without_a_breach_nothing_is_timed_as_recovered():
    timings = timed(steady(0, 25, "good"), fault((9.95, False), (9.97, True)))
    assert (timings.t1, timings.t4, timings.t5) == (None, None, None)


def test_without_proof_of_the_fault_nothing_is_timed_at_all():
    answers = steady(0, 10, "good") + steady(10, 20, "degraded") + steady(20, 25, "good")
    assert timed(answers, fault((9.95, False))) == Timings()


def test_an_incident_of_another_cause_or_from_before_the_fault_is_no_detection():
    answers = steady(0, 10, "good") + steady(10, 12, "degraded") + steady(12, 20, "good")
    entries = [opened(5.0, "a", "model_corrupt"), opened(11.0, "b", "data_drift"), started(11.5, "b")]
    timings = timed(answers, fault((9.95, False), (9.97, True)), entries)
    assert (timings.t2, timings.t3) == (None, None)


def test_the_remedy_of_another_incident_is_not_the_first_remedy():
    answers = steady(0, 10, "good") + steady(10, 12, "degraded") + steady(12, 20, "good")
    entries = [opened(10.5, "a", "model_corrupt"), started(10.6, "b"), started(11.0, "a")]
    assert timed(answers, fault((9.95, False), (9.97, True)), entries).t3 == Interval(11.0, 11.0)


def test_times_of_a_batch_that_the_mirror_delivers():
    samples = [
        *fault((1.0, False), (1.1, True)),
        Sample("indicator_breached", 2.0, False),
        Sample("indicator_breached", 2.1, True),
        Sample("indicator_met", 8.0, False),
        Sample("service_restored", 8.0, False),
        Sample("indicator_met", 9.0, True),
        Sample("service_restored", 9.0, False),
        Sample("service_restored", 9.5, True),
    ]
    entries = [opened(6.0, "a", "source_unavailable"), started(6.5, "a")]
    timings = timings_of_batch(samples, entries, causes=("source_unavailable",))
    assert timings.t1 == Interval(2.0, 2.1)
    assert timings.t4 == Interval(8.0, 9.0)
    assert timings.t5 == Interval(9.0, 9.5)
    assert seconds(timings.recover) == pytest.approx((7.9, 8.5))
