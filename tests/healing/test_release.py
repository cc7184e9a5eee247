"""Which release documents are valid, and which may follow which."""

from dataclasses import replace

import pytest

from healing.ab_rules import ABRules
from healing.errors import IllegalTransition
from healing.fence import Fence
from healing.release import Challenger, Mode, Reason, check_transition
from healing.trial_rules import TrialRules
from tests.releases.documents import NOW, bootstrap, model

FIRST = bootstrap("a")
CANARY = replace(FIRST, generation=2, reason=Reason.CANARY, challenger=Challenger(model("b"), Mode.CANARY, 0.05))
PROMOTED = replace(FIRST, generation=3, reason=Reason.PROMOTE, champion=model("b"), fallbacks=(model("a"),))


def fence(letter):
    return Fence(letter * 64, "1.0.0", NOW, "gateway", "errors: 9 of 30 requests failed")


BACK = replace(FIRST, generation=4, reason=Reason.ROLLBACK, fenced=(fence("b"),))
AGAIN = replace(CANARY, generation=5, unfenced_by="Ada Lovelace")  # this release puts b on trial and lifts its fence

SPLIT = Challenger(model("b"), Mode.CANARY, 0.5, ab=ABRules("revenue", 0.0, 100.0))
AB_TEST = replace(CANARY, generation=3, challenger=SPLIT)


@pytest.mark.parametrize("changed", [{"mode": Mode.SHADOW}, {"weight": 1.0}, {"weight": 0.0}])
def test_an_ab_test_is_a_canary_with_two_arms(changed):
    with pytest.raises(IllegalTransition, match="weight between 0 and 1"):
        replace(AB_TEST, challenger=replace(SPLIT, **changed))


@pytest.mark.parametrize(
    ("previous", "following"),
    [
        (None, FIRST),
        (FIRST, CANARY),
        (CANARY, replace(CANARY, generation=3, challenger=Challenger(model("b"), Mode.CANARY, 0.25))),
        (CANARY, PROMOTED),
        (CANARY, replace(FIRST, generation=3, reason=Reason.ABORT)),
        (PROMOTED, BACK),
        (CANARY, replace(BACK, generation=3, champion=model("c"), fenced=(fence("a"),))),
        (BACK, replace(BACK, generation=5, reason=Reason.CANARY, challenger=Challenger(model("c"), Mode.CANARY, 0.1))),
        (BACK, AGAIN),
        (
            AGAIN,
            replace(AGAIN, generation=6, reason=Reason.PROMOTE, challenger=None, champion=model("b"), unfenced_by=None),
        ),
        (FIRST, replace(FIRST, generation=2, reason=Reason.REPUBLISH)),
        (CANARY, AB_TEST),
        (AB_TEST, replace(AB_TEST, generation=4, reason=Reason.REPUBLISH)),
        (AB_TEST, replace(PROMOTED, generation=4)),
        (AB_TEST, replace(FIRST, generation=4, reason=Reason.ABORT)),
    ],
)
def test_a_legal_transition_is_accepted(previous, following):
    check_transition(previous, following)


@pytest.mark.parametrize(
    ("previous", "following", "why"),
    [
        (None, replace(FIRST, reason=Reason.REPUBLISH), "starts with generation 1"),
        (FIRST, replace(FIRST, generation=3, reason=Reason.REPUBLISH), "expected generation 2"),
        (
            AB_TEST,
            replace(AB_TEST, generation=4, challenger=replace(SPLIT, weight=0.6)),
            "rules of an A/B test are fixed",
        ),
        (AB_TEST, replace(AB_TEST, generation=4, challenger=replace(SPLIT, ab=None)), "rules of an A/B test are fixed"),
        (AB_TEST, replace(AB_TEST, generation=4, challenger=replace(SPLIT, rules=TrialRules(alpha=0.5))), "are fixed"),
        (FIRST, replace(FIRST, generation=2), "already has a champion"),
        (FIRST, replace(FIRST, generation=2, reason=Reason.PROMOTE, champion=model("b")), "only the challenger"),
        (FIRST, replace(FIRST, generation=2, reason=Reason.ABORT), "no challenger to abort"),
        (FIRST, replace(FIRST, generation=2, reason=Reason.ROLLBACK), "found the same one"),
        (FIRST, replace(FIRST, generation=2, reason=Reason.REPUBLISH, champion=model("b")), "keeps champion"),
        (FIRST, replace(FIRST, generation=2, reason=Reason.REPUBLISH, pipeline="other"), "belongs to pipeline"),
        (PROMOTED, replace(BACK, fenced=()), "a rollback fences"),
        (BACK, replace(AGAIN, unfenced_by=None), "keeps the fences"),
        (BACK, replace(FIRST, generation=5, reason=Reason.REPUBLISH), "keeps the fences"),
        (BACK, replace(AGAIN, unfenced_by="heal"), "only a person lifts"),
        (BACK, replace(AGAIN, unfenced_by=" "), "only a person lifts"),
        (BACK, replace(FIRST, generation=5, reason=Reason.REPUBLISH, unfenced_by="Ada"), "may lift only"),
        (FIRST, replace(CANARY, unfenced_by="Ada"), "may lift only"),
        (
            CANARY,
            replace(CANARY, generation=3, challenger=Challenger(model("c"), Mode.CANARY, 0.05)),
            "still on trial",
        ),
    ],
)
def test_an_illegal_transition_is_refused(previous, following, why):
    with pytest.raises(IllegalTransition, match=why):
        check_transition(previous, following)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"challenger": Challenger(model("a"), Mode.CANARY, 0.1)}, "challenge itself"),
        ({"challenger": Challenger(model("b"), Mode.CANARY, 0.0005)}, "steps of 0.001"),
        ({"challenger": None}, "needs a challenger"),
        ({"fallbacks": (model("a"),)}, "names a model twice"),
        ({"fallbacks": tuple(model(letter) for letter in "cdef")}, "at most 3"),
        ({"fenced": (fence("b"),)}, r"fenced by gateway at 2013-03-01 12:00 UTC \(errors: 9 of 30.*--unfence-by"),
        ({"fenced": (fence("a"),)}, "may not challenge or serve"),
        ({"fenced": (fence("c"),), "fallbacks": (model("c"),)}, "may not challenge or serve"),
        ({"fenced": (fence("c"), fence("c"))}, "two fences"),
        ({"generation": 0}, "count from 1"),
        ({"created_at": FIRST.created_at.replace(tzinfo=None)}, "needs a timezone"),
        ({"reason": Reason.PROMOTE}, "ends the trial"),
    ],
)
def test_a_contradictory_document_is_refused(change, why):
    with pytest.raises(IllegalTransition, match=why):
        replace(CANARY, **change)
