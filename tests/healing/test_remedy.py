"""A rollback goes to the best model that is left, and a broken fallback leaves without touching the champion."""

from dataclasses import replace
from datetime import UTC, datetime

from healing.release import Challenger, Mode, ModelRef, Reason, Release, check_transition
from healing.remedy import Role, discarded, role_of, rollback_candidates, without_model

NOW = datetime(2013, 6, 1, tzinfo=UTC)
A, B, C, D = (ModelRef(letter * 64, f"1.0.{n}") for n, letter in enumerate("abcd"))


def first(champion):
    return Release(1, NOW, "flights", "test", Reason.BOOTSTRAP, champion, 0.2)


def after(release, reason, champion=None, challenger=None, fallbacks=()):
    trial = challenger and Challenger(challenger, Mode.CANARY, 0.05)
    following = replace(
        release,
        generation=release.generation + 1,
        reason=reason,
        champion=champion or release.champion,
        challenger=trial,
        fallbacks=tuple(fallbacks),
    )
    check_transition(release, following)
    return following


def promoted(history, model, fallbacks=()):
    trial = after(history[-1], Reason.CANARY, challenger=model)
    return [*history, trial, after(trial, Reason.PROMOTE, champion=model, fallbacks=fallbacks)]


def test_warm_fallbacks_come_before_colder_champions():
    history = promoted(promoted(promoted([first(A)], B), C), D, fallbacks=(B,))
    assert rollback_candidates(history) == (B, C, A)
    assert rollback_candidates(history, broken={B.digest}) == (C, A)


def test_a_model_that_was_rolled_back_from_is_the_last_resort():
    history = promoted(promoted([first(A)], B), C)
    history.append(after(history[-1], Reason.ROLLBACK, champion=A))
    assert discarded(history) == {C.digest}
    assert rollback_candidates(history) == (B, C)


def test_a_later_promotion_takes_a_discarded_model_back():
    history = promoted([first(A)], B)
    history.append(after(history[-1], Reason.ROLLBACK, champion=A))
    assert discarded(promoted(history, B)) == frozenset()


def test_an_aborted_candidate_never_served_and_is_no_candidate():
    history = [first(A)]
    history.append(after(history[-1], Reason.CANARY, challenger=B))
    history.append(after(history[-1], Reason.ABORT))
    assert rollback_candidates(history) == ()
    assert rollback_candidates([]) == ()


def test_roles_follow_the_document():
    release = after(first(A), Reason.CANARY, challenger=B, fallbacks=(C,))
    roles = [role_of(release, model.digest) for model in (A, B, C, D)]
    assert roles == [Role.CHAMPION, Role.CHALLENGER, Role.FALLBACK, Role.ABSENT]
    assert role_of(None, A.digest) is Role.ABSENT


def test_dropping_a_fallback_keeps_champion_and_trial():
    release = after(first(A), Reason.CANARY, challenger=B, fallbacks=(C, D))
    following = without_model(release, C.digest, author="heal", now=NOW, incident_id="i")
    check_transition(release, following)
    assert (following.champion, following.challenger, following.fallbacks) == (A, release.challenger, (D,))
