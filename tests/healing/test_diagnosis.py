"""The observer of a cause confirms its incidents; one that does not answer neither confirms nor refutes."""

from datetime import UTC, datetime

import pytest

from healing.diagnosis import Confirmation, Presence, ProblemSignal, Signals, confirm
from healing.fence import Fence
from healing.incident import Cause, Incident, Status
from healing.release import Challenger, Mode, ModelRef, Reason, Release
from healing.verdict import Outcome, Verdict

NOW = datetime(2013, 6, 1, tzinfo=UTC)
A, B = ModelRef("a" * 64, "1.0.0"), ModelRef("b" * 64, "1.0.1")


def incident(cause, subject=A.digest):
    return Incident("i", "flights", cause, subject, Status.OPEN, NOW)


def checks(cause, *outcomes):
    return Signals(checks={cause: tuple(Verdict(f"check-{o}", o, "numbers", 10) for o in outcomes)})


BOOTSTRAP = Release(1, NOW, "flights", "t", Reason.BOOTSTRAP, A, 0.2)
TRIAL = Release(2, NOW, "flights", "t", Reason.CANARY, A, 0.2, challenger=Challenger(B, Mode.CANARY, 0.05))
FENCE = Fence(B.digest, B.version, NOW, "gateway", "errors: 9 of 30 requests failed")
ABORT = Release(3, NOW, "flights", "gateway", Reason.ABORT, A, 0.2, fenced=(FENCE,))
INCONCLUSIVE = Release(3, NOW, "flights", "release", Reason.ABORT, A, 0.2)
BAD, SOUND = ({Cause.BAD_CANDIDATE: (Verdict("since promotion", o, "n", 9),)} for o in (Outcome.FAIL, Outcome.PASS))


@pytest.mark.parametrize(
    ("found", "signals", "presence"),
    [
        (incident(Cause.MODEL_CORRUPT), Signals(problems=None), Presence.INCONCLUSIVE),
        (incident(Cause.MODEL_CORRUPT), Signals(problems=()), Presence.ABSENT),
        (
            incident(Cause.MODEL_CORRUPT),
            Signals(problems=(ProblemSignal(Cause.MODEL_CORRUPT, A.digest),)),
            Presence.CONFIRMED,
        ),
        (
            incident(Cause.MODEL_CORRUPT),
            Signals(problems=(ProblemSignal(Cause.MODEL_CORRUPT, B.digest),)),
            Presence.ABSENT,
        ),
        (incident(Cause.DATA_DRIFT), Signals(), Presence.ABSENT),
        (incident(Cause.DATA_DRIFT), checks(Cause.DATA_DRIFT, Outcome.PASS, Outcome.FAIL), Presence.CONFIRMED),
        (incident(Cause.DATA_DRIFT), checks(Cause.DATA_DRIFT, Outcome.PASS, Outcome.INCONCLUSIVE), Presence.ABSENT),
        (incident(Cause.DATA_DRIFT), checks(Cause.QUALITY_DROP, Outcome.FAIL), Presence.ABSENT),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(history=(BOOTSTRAP, TRIAL)), Presence.ABSENT),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(checks=BAD, history=(BOOTSTRAP, TRIAL)), Presence.CONFIRMED),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(history=(BOOTSTRAP, TRIAL, INCONCLUSIVE)), Presence.ABSENT),
        (incident(Cause.BAD_CANDIDATE), Signals(checks=BAD, history=(BOOTSTRAP,)), Presence.CONFIRMED),
        (incident(Cause.BAD_CANDIDATE), Signals(checks=SOUND, history=(BOOTSTRAP,)), Presence.ABSENT),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(checks=BAD, history=(BOOTSTRAP,)), Presence.ABSENT),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(history=(BOOTSTRAP, TRIAL, ABORT)), Presence.CONFIRMED),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(history=(BOOTSTRAP,)), Presence.ABSENT),
        (incident(Cause.GATEWAY_DOWN), Signals(problems=None), Presence.CONFIRMED),
        (incident(Cause.GATEWAY_DOWN), Signals(problems=()), Presence.ABSENT),
        (incident(Cause.NULL_SPIKE), Signals(), Presence.CONFIRMED),
    ],
)
def test_the_observer_of_the_cause_confirms_or_refutes_the_incident(found, signals, presence):
    assert confirm(found, signals).presence is presence


GONE, THERE = Confirmation(Presence.ABSENT, "answers"), Confirmation(Presence.CONFIRMED, "2 MiB available")


def test_a_probe_decides_about_what_it_watches_and_the_gateway_about_the_rest():
    signals = Signals(problems=(ProblemSignal(Cause.DISK_FULL, "log"),), probed={(Cause.DISK_FULL, "home"): GONE})
    assert confirm(incident(Cause.DISK_FULL, "home"), signals).presence is Presence.ABSENT
    assert confirm(incident(Cause.DISK_FULL, "log"), signals).presence is Presence.CONFIRMED
    unwatched = confirm(incident(Cause.ORCHESTRATOR_UNAVAILABLE, "prefect"), signals)
    assert unwatched.presence is Presence.INCONCLUSIVE


def test_a_machine_without_memory_is_a_common_cause_and_a_disk_that_is_nearly_full_is_none():
    signals = Signals(probed={(Cause.RESOURCE_PRESSURE, "memory"): THERE, (Cause.DISK_FULL, "home"): THERE})
    assert [problem.cause for problem in signals.shared_problems] == [Cause.RESOURCE_PRESSURE]
    assert Signals(probed={(Cause.RESOURCE_PRESSURE, "memory"): GONE}).shared_problems == ()


def test_an_absent_problem_names_the_checks_that_refute_it():
    reason = confirm(incident(Cause.DATA_DRIFT), checks(Cause.DATA_DRIFT, Outcome.PASS)).reason
    assert "check-PASS PASS" in reason
