"""Rollback: make an earlier model champion again, and verify that the gateway serves it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict

from healing.errors import GatewayRefused, GatewayUnavailable, Refused, UsageError
from healing.fence import check_unfenced
from healing.incident import Cause
from healing.release import FALLBACKS_MAX, ModelRef, Release
from healing.remedy import earlier_models, rollback_candidates
from healing.verdict import Outcome
from releases.log import ReleaseLog, rollback_of
from releases.release_root import ReleaseRoot
from releases.signing import ensure_keys
from releases.store import ModelStore
from releases.trusted_log import Signing
from tasks.config.settings import Settings
from tasks.config.suggestion import did_you_mean
from tasks.rollout.golden_answers import check_answers, intact_models, probe_repeatedly
from tasks.rollout.release_changes import commit_next, signing_of
from tasks.rollout.release_events import announce_release
from tasks.runtime import crash_points as points
from tasks.serving.gateway_client import GatewayReport, await_gateway, read_gateway

log = structlog.get_logger(__name__)

FOLLOW_SECONDS_MAX = 20.0  # the gateway polls the log five times per second; loading a cold model takes a few seconds
UNFIT = frozenset({Cause.MODEL_CORRUPT, Cause.MODEL_FAILING})  # a model with one of these problems cannot be champion
CHAMPIONS_TRIED_MAX = 3  # when three models in a row fail live, the cause is not the models


class NothingToRollBackTo(Refused):
    """No earlier model is intact; only a new one can help."""


@dataclass(frozen=True, slots=True)
class RollbackOrder:
    """Which model a rollback makes champion, and what its release records.

    `to` names the model by version or by the first digits of its digest; without it, the best candidate outside
    `broken` (digests) is chosen. With `away_from` (a digest) nothing is written once another model is champion, so the
    order can be repeated. `unfence_by` is the person who lifts the fence of `to`.
    """

    pipeline: str
    author: str
    to: str | None = None
    away_from: str | None = None
    broken: frozenset[str] = frozenset()
    reason: str = ""
    incident_id: str | None = None
    unfence_by: str | None = None


class RollbackOutcome(BaseModel):
    """The release that serves after a rollback.

    `verified` is PASS when the gateway serves it and gives its golden answers, INCONCLUSIVE when no gateway is running,
    FAIL when it answers wrongly and no other model is left.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    generation: int
    champion: str
    version: str
    verified: Outcome
    note: str


def serve_earlier_model(settings: Settings, order: RollbackOrder) -> tuple[Release, RollbackOutcome]:
    """Roll back until the gateway serves a model that answers rightly, at most CHAMPIONS_TRIED_MAX times.

    A model that fails live is replaced by the next candidate. When no candidate is left, the last one stays champion.
    """
    order = replace(order, broken=order.broken | _troubled_models(settings.addresses().operate))
    release = write_rollback(settings, order)
    seen = verify_rollback(settings, release)
    for _ in range(CHAMPIONS_TRIED_MAX - 1):
        if seen.verified is not Outcome.FAIL:
            break
        order = _next_order(order, release.champion, seen.note)
        try:
            release = write_rollback(settings, order)
        except NothingToRollBackTo as exc:
            return release, seen.model_copy(update={"note": f"{seen.note}; {exc}"})
        seen = verify_rollback(settings, release)
    points.reached("rollback.verified", generation=release.generation)
    return release, seen


def _next_order(order: RollbackOrder, failed: ModelRef, note: str) -> RollbackOrder:
    """The order that replaces a model which the previous rollback chose and which fails live."""
    return RollbackOrder(
        pipeline=order.pipeline,
        author=order.author,
        away_from=failed.digest,
        broken=order.broken | {failed.digest},
        reason=f"{failed.version} became champion by rollback and failed: {note}",
        incident_id=order.incident_id,
    )


def write_rollback(settings: Settings, order: RollbackOrder) -> Release:
    """Commit the rollback and announce it."""
    public_key = ensure_keys(settings.keys_dir).public
    root, gateway = settings.release_root(order.pipeline), settings.addresses().gateway
    release = roll_back(root, public_key, order, gateway, signing_of(settings))
    announce_release(settings.ledger_dsn, release)
    points.reached("rollback.announced", generation=release.generation)
    return release


def verify_rollback(settings: Settings, release: Release) -> RollbackOutcome:
    """Wait until the gateway serves the release, then ask its champion for the golden answers.

    GatewayUnavailable when the gateway does not follow and reports no problem with the model.
    """
    addresses, digest = settings.addresses(), release.champion.digest
    verified, note = Outcome.INCONCLUSIVE, "no gateway is running; the next one to start serves this release"
    if addresses.operate is not None:
        state = await_gateway(
            addresses.operate,
            lambda state: state.active_generation >= release.generation or _is_corrupt(state, digest),
            f"generation {release.generation} to serve",
            FOLLOW_SECONDS_MAX,
        )
        verified, note = Outcome.PASS, f"generation {state.active_generation} serves"
        wrong = [problem.message for problem in state.problems_of(digest) if problem.code in UNFIT]
        if wrong:
            verified, note = Outcome.FAIL, wrong[0]
        elif addresses.gateway is not None:
            try:
                probe = probe_repeatedly(addresses.gateway, settings.release_root(release.pipeline), digest)
            except GatewayRefused:
                note = f"{note}; the gateway takes no probes"
            else:
                verified, note = probe.outcome, f"{note}; probe: {probe.reason}"
    return RollbackOutcome(
        pipeline=release.pipeline,
        generation=release.generation,
        champion=digest,
        version=release.champion.version,
        verified=verified,
        note=note,
    )


def _is_corrupt(state: GatewayReport, digest: str) -> bool:
    """Whether the gateway reports the model as corrupt, which means that it will never serve it."""
    return any(problem.code is Cause.MODEL_CORRUPT for problem in state.problems_of(digest))


def _troubled_models(operate_url: str | None) -> frozenset[str]:
    """Digests with a problem in the gateway; empty when the gateway does not answer, so that a rollback never waits."""
    if operate_url is None:
        return frozenset()
    try:
        problems = read_gateway(operate_url).problems
    except GatewayUnavailable as exc:
        log.warning("rollback_without_gateway", cause=str(exc))
        return frozenset()
    return frozenset(problem.subject for problem in problems if problem.code in (*UNFIT, Cause.MODEL_SLOW))


def roll_back(
    release_root: ReleaseRoot,
    public_key: Path,
    order: RollbackOrder,
    predict_url: str | None = None,
    signing: Signing | None = None,
) -> Release:
    """Commit the release in which an intact earlier model is champion, and return it (or the current one, see order).

    A candidate must have a valid signature, valid digests and its golden answers (asked at `predict_url` where it is
    warm there, else loaded here). Intact fallbacks stay warm; if none is left, the next best candidate is warmed up.

    NothingToRollBackTo when no candidate is intact, UsageError when `to` names no model, IllegalTransition when `to` is
    fenced and `unfence_by` is not given.
    """
    releases = ReleaseLog(release_root)
    if releases.latest_generation() == 0:
        raise UsageError(f"there is no release in {release_root}; make the first one with `autopilot bootstrap`")
    if order.unfence_by is not None and order.to is None:
        raise UsageError("a fence is lifted from one model; name it by --to")
    store = ModelStore(release_root)

    def verify(model: ModelRef) -> None:
        store.verify(model.digest, public_key)

    def check(model: ModelRef) -> None:
        check_answers(release_root, public_key, model, predict_url)

    def decide(current: Release | None) -> Release | None:
        assert current is not None  # the log is append-only and was not empty
        if order.away_from is not None and current.champion.digest != order.away_from:
            return None
        history = releases.history()
        candidates = rollback_candidates(history, order.broken)
        wanted = candidates if order.to is None else (_named(order.to, earlier_models(history), current),)
        if order.to is not None and order.unfence_by is None:
            check_unfenced(current.fenced, (wanted[0].digest,))
        chosen = next(intact_models(wanted, check), None)
        if chosen is None:
            raise NothingToRollBackTo(_nothing_left(wanted, current))
        others = [model for model in candidates if model != chosen]
        warm = list(islice(intact_models((m for m in others if m in current.fallbacks), verify), FALLBACKS_MAX))
        following = rollback_of(
            current,
            chosen,
            store.manifest(chosen.digest).baseline,
            author=order.author,
            now=datetime.now(UTC),
            incident_id=order.incident_id,
            note=order.reason,
            fallbacks=warm or list(islice(intact_models(others, verify), 1)),
            unfenced_by=order.unfence_by,
        )
        points.reached("rollback.decided", generation=following.generation, champion=chosen.version)
        return following

    written = commit_next(release_root, decide, signing)
    if written is None:
        current = releases.current()
        assert current is not None
        return current
    points.reached("rollback.committed", generation=written.generation)
    return written


def _named(to: str, models: Collection[ModelRef], current: Release) -> ModelRef:
    if to in (current.champion.version, current.champion.digest):
        raise UsageError(f"{to} is champion already; name one of {_listed(models)}")
    found = [model for model in models if model.version == to or (len(to) >= 6 and model.digest.startswith(to))]
    if len(found) != 1:
        problem = "several models are" if found else "no earlier model is"
        way_out = f"name one of {_listed(models)}" if models else "there is no earlier model to roll back to"
        meant = did_you_mean(to, [model.version for model in models])
        raise UsageError(f"{problem} called {to!r}; {way_out}{meant}")
    return found[0]


def _nothing_left(candidates: Collection[ModelRef], current: Release) -> str:
    fenced = ", ".join(f"{fence.version} ({fence.digest[:12]})" for fence in current.fenced)
    way_out = f", or go back to a fenced one ({fenced}) with --to and --unfence-by" if fenced else ""
    return f"{_listed(candidates)}: none of these earlier models is intact; publish a new one{way_out}"


def _listed(models: Collection[ModelRef]) -> str:
    return ", ".join(f"{model.version} ({model.digest[:12]})" for model in models) or "no earlier model"
