"""Candidates of a rollback, best first, roles of models, and the release without a broken fallback."""

from dataclasses import replace
from datetime import UTC, datetime

from healing.fence import Fence, with_fence
from healing.release import Challenger, Mode, ModelRef, Reason, Release, check_transition
from healing.remedy import Role, passed_trial, role_of, rollback_candidates, served_well, without_model

NOW = datetime(2013, 6, 1, tzinfo=UTC)
A, B, C, D = (ModelRef(letter * 64, f"1.0.{n}") for n, letter in enumerate("abcd"))


def first(champion):
    return Release(1, NOW, "flights", "test", Reason.BOOTSTRAP, champion, 0.2)


def after(release, reason, champion=None, challenger=None, fallbacks=(), **fields):
    trial = challenger and Challenger(challenger, Mode.CANARY, 0.05)
    left = Fence(release.champion.digest, release.champion.version, NOW, "test", "")
    fenced = with_fence(release.fenced, left) if reason is Reason.ROLLBACK else release.fenced
    following = replace(
        release,
        generation=release.generation + 1,
        reason=reason,
        champion=champion or release.champion,
        challenger=trial,
        fallbacks=tuple(fallbacks),
        **({"fenced": fenced, "unfenced_by": None} | fields),
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


def test_a_model_that_a_rollback_replaced_is_fenced_and_no_candidate():
    history = promoted(promoted([first(A)], B), C)
    history.append(after(history[-1], Reason.ROLLBACK, champion=A))
    assert rollback_candidates(history) == (B,)
    assert set(served_well(history)) == {B.digest}


def test_a_model_replaced_by_a_rollback_without_a_fence_is_the_last_candidate():
    history = promoted(promoted([first(A)], B), C)
    history.append(replace(history[-1], generation=6, reason=Reason.ROLLBACK, champion=A))
    assert rollback_candidates(history) == (B, C)


def test_a_model_that_was_promoted_again_served_well_when_it_is_replaced():
    history = promoted([first(A)], B)
    history.append(after(history[-1], Reason.ROLLBACK, champion=A))
    history.append(after(history[-1], Reason.CANARY, challenger=B, fenced=(), unfenced_by="Ada"))
    history.append(after(history[-1], Reason.PROMOTE, champion=B))
    assert set(served_well(history)) == {A.digest}
    history = promoted(history, C)
    assert rollback_candidates(history) == (B, A)
    assert set(served_well(history)) == {A.digest, B.digest}


def test_a_champion_replaced_by_a_return_served_well():
    history = promoted([first(A)], B)
    history.append(after(history[-1], Reason.RETURN, champion=A))
    assert set(served_well(history)) == {B.digest}
    assert rollback_candidates(history) == (B,)


def test_models_that_served_well_come_before_models_that_are_only_warm():
    history = promoted([replace(first(A), fallbacks=(D,))], B, fallbacks=(D,))
    assert rollback_candidates(history) == (A, D)


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


def test_a_new_model_and_an_earlier_champion_pass_a_trial_and_a_return_without_one_does_not():
    history = promoted([first(A)], B)
    assert passed_trial(history[-2], history[-1])
    trial = after(history[-1], Reason.CANARY, challenger=A)
    assert passed_trial(trial, after(trial, Reason.RETURN, champion=A))
    assert not passed_trial(trial, after(trial, Reason.ABORT))
    assert not passed_trial(history[-1], after(history[-1], Reason.RETURN, champion=A))
