"""Every cause has a witness; a witness that cannot be asked neither confirms nor refutes."""

from datetime import UTC, datetime

import pytest

from healing.diagnosis import Finding, Problem, Signals, diagnose
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
UNDECIDED = Release(3, NOW, "flights", "release", Reason.ABORT, A, 0.2)
BAD, SOUND = ({Cause.BAD_CANDIDATE: (Verdict("since promotion", o, "n", 9),)} for o in (Outcome.FAIL, Outcome.PASS))


@pytest.mark.parametrize(
    ("found", "signals", "finding"),
    [
        (incident(Cause.MODEL_CORRUPT), Signals(problems=None), Finding.UNDECIDED),
        (incident(Cause.MODEL_CORRUPT), Signals(problems=()), Finding.ABSENT),
        (
            incident(Cause.MODEL_CORRUPT),
            Signals(problems=(Problem(Cause.MODEL_CORRUPT, A.digest),)),
            Finding.CONFIRMED,
        ),
        (incident(Cause.MODEL_CORRUPT), Signals(problems=(Problem(Cause.MODEL_CORRUPT, B.digest),)), Finding.ABSENT),
        (incident(Cause.DATA_DRIFT), Signals(), Finding.ABSENT),
        (incident(Cause.DATA_DRIFT), checks(Cause.DATA_DRIFT, Outcome.PASS, Outcome.FAIL), Finding.CONFIRMED),
        (incident(Cause.DATA_DRIFT), checks(Cause.DATA_DRIFT, Outcome.PASS, Outcome.INCONCLUSIVE), Finding.ABSENT),
        (incident(Cause.DATA_DRIFT), checks(Cause.QUALITY_DROP, Outcome.FAIL), Finding.ABSENT),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(history=(BOOTSTRAP, TRIAL)), Finding.ABSENT),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(checks=BAD, history=(BOOTSTRAP, TRIAL)), Finding.CONFIRMED),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(history=(BOOTSTRAP, TRIAL, UNDECIDED)), Finding.ABSENT),
        (incident(Cause.BAD_CANDIDATE), Signals(checks=BAD, history=(BOOTSTRAP,)), Finding.CONFIRMED),
        (incident(Cause.BAD_CANDIDATE), Signals(checks=SOUND, history=(BOOTSTRAP,)), Finding.ABSENT),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(checks=BAD, history=(BOOTSTRAP,)), Finding.ABSENT),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(history=(BOOTSTRAP, TRIAL, ABORT)), Finding.CONFIRMED),
        (incident(Cause.BAD_CANDIDATE, B.digest), Signals(history=(BOOTSTRAP,)), Finding.ABSENT),
        (incident(Cause.GATEWAY_DOWN), Signals(problems=None), Finding.CONFIRMED),
        (incident(Cause.GATEWAY_DOWN), Signals(problems=()), Finding.ABSENT),
        (incident(Cause.NULL_SPIKE), Signals(), Finding.CONFIRMED),
    ],
)
def test_the_witness_of_the_cause_is_asked(found, signals, finding):
    assert diagnose(found, signals).finding is finding


def test_a_dismissal_names_the_checks_that_were_looked_at():
    reason = diagnose(incident(Cause.DATA_DRIFT), checks(Cause.DATA_DRIFT, Outcome.PASS)).reason
    assert "check-PASS PASS" in reason
