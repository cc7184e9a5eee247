import pytest

from healing.verdict import Outcome, Verdict, worst


def verdict(outcome: Outcome) -> Verdict:
    return Verdict(check="c", outcome=outcome, reason="", observations=1)


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([Outcome.PASS], Outcome.PASS),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL], Outcome.FAIL),
    ],
)
def test_too_little_evidence_is_never_a_pass(outcomes, together):
    assert worst(verdict(outcome) for outcome in outcomes) is together
