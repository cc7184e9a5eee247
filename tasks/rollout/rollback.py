"""Going back: the log gets a release in which an earlier model, whole and answering as it should, is champion."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import structlog

from healing.errors import GatewayUnavailable, ModelCorrupt, Refused, UsageError
from healing.fence import check_unfenced
from healing.release import FALLBACKS_MAX, ModelRef, Release
from healing.remedy import earlier_models, rollback_candidates
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog, rollback_of
from releases.store import ModelStore
from tasks.rollout.rollout import commit_next
from tasks.runtime import crash_points as points
from tasks.serving.gateway_client import probe_model

log = structlog.get_logger(__name__)

PROBES_MAX = 3
PROBE_PAUSE_SECONDS = 0.3


class NothingToRollBackTo(Refused):
    """No earlier model is whole; only a new one can help."""


def roll_back(
    release_root: Path,
    public_key: Path,
    *,
    author: str,
    predict_url: str | None = None,
    to: str | None = None,
    away_from: str | None = None,
    broken: Collection[str] = (),
    incident_id: str | None = None,
    note: str = "",
    unfenced_by: str | None = None,
) -> Release:
    """The release in which an earlier model is champion: signed, whole to the byte, and giving its golden answers.

    It is asked for those at `predict_url` where it is warm there, else it is loaded here. `to` names it (version, or
    the first digits of its digest), else it is the best candidate that is not `broken`. With `away_from`, nothing is
    written when that model is not champion any more. Fallbacks stay warm as far as they are whole; where none is left,
    the next best candidate is warmed up.

    NothingToRollBackTo when no candidate is whole, UsageError when there is no such model, IllegalTransition when `to`
    is fenced and nobody's name is under `unfenced_by`.
    """
    releases = ReleaseLog(release_root)
    if releases.latest_generation() == 0:
        raise UsageError(f"there is no release in {release_root}; make the first one with `autopilot bootstrap`")
    if unfenced_by is not None and to is None:
        raise UsageError("a fence is lifted from one model; name it by --to")
    store = ModelStore(release_root)

    def verify(model: ModelRef) -> None:
        store.verify(model.digest, public_key)

    def check(model: ModelRef) -> None:
        check_answers(release_root, public_key, model, predict_url)

    def decide(current: Release | None) -> Release | None:
        assert current is not None  # the log is append-only and was not empty
        if away_from is not None and current.champion.digest != away_from:
            return None
        history = releases.history()
        candidates = rollback_candidates(history, broken)
        wanted = candidates if to is None else (_named(to, earlier_models(history), current),)
        if to is not None and unfenced_by is None:
            check_unfenced(current.fenced, (wanted[0].digest,))
        chosen = next(_sound(wanted, check), None)
        if chosen is None:
            raise NothingToRollBackTo(_nothing_left(wanted, current))
        others = [model for model in candidates if model != chosen]
        warm = list(islice(_sound((m for m in others if m in current.fallbacks), verify), FALLBACKS_MAX))
        following = rollback_of(
            current,
            chosen,
            store.manifest(chosen.digest).baseline,
            author=author,
            now=datetime.now(UTC),
            incident_id=incident_id,
            note=note,
            fallbacks=warm or list(islice(_sound(others, verify), 1)),
            unfenced_by=unfenced_by,
        )
        points.reached("rollback.decided", generation=following.generation, champion=chosen.version)
        return following

    written = commit_next(release_root, decide)
    if written is None:
        current = releases.current()
        assert current is not None
        return current
    points.reached("rollback.committed", generation=written.generation)
    return written


def check_answers(release_root: Path, public_key: Path, model: ModelRef, predict_url: str | None) -> None:
    """Raise ModelCorrupt unless signature and bytes hold and the golden rows are answered, live or loaded here.

    A gateway that does not answer proves nothing against a model.
    """
    ModelStore(release_root).verify(model.digest, public_key)
    if predict_url is not None and _answers_live(predict_url, release_root, model):
        return
    from releases.loader import load  # scikit-learn takes seconds to import, and most rollbacks go to a warm model

    load(ModelStore(release_root).path(model.digest), public_key)


def probe_surely(predict_url: str, release_root: Path, digest: str) -> Verdict:
    """`probe_model`, whose FAIL is believed when it comes PROBES_MAX times: one may be a full queue's doing."""
    manifest = ModelStore(release_root).manifest(digest)
    probe = probe_model(predict_url, digest, manifest)
    for _ in range(PROBES_MAX - 1):
        if probe.outcome is not Outcome.FAIL:
            break
        time.sleep(PROBE_PAUSE_SECONDS)
        probe = probe_model(predict_url, digest, manifest)
    return probe


def _answers_live(predict_url: str, release_root: Path, model: ModelRef) -> bool:
    """Whether the model is warm in the gateway and answers; ModelCorrupt when it is warm and answers wrongly."""
    try:
        probe = probe_surely(predict_url, release_root, model.digest)
    except GatewayUnavailable as exc:
        log.warning("candidate_not_probed", version=model.version, cause=str(exc))
        return False
    if probe.outcome is Outcome.FAIL:
        raise ModelCorrupt(f"model {model.digest} should answer its golden rows over HTTP, found: {probe.reason}")
    return probe.outcome is Outcome.PASS


def _sound(candidates: Iterable[ModelRef], check: Callable[[ModelRef], None]) -> Iterator[ModelRef]:
    """The candidates that `check` finds nothing against, each looked at only when it is asked for."""
    for model in candidates:
        try:
            check(model)
        except ModelCorrupt as exc:
            log.warning("rollback_candidate_refused", digest=model.digest, version=model.version, cause=str(exc))
            continue
        yield model


def _named(to: str, models: Collection[ModelRef], current: Release) -> ModelRef:
    if to in (current.champion.version, current.champion.digest):
        raise UsageError(f"{to} is champion already; name one of {_listed(models)}")
    found = [model for model in models if model.version == to or (len(to) >= 6 and model.digest.startswith(to))]
    if len(found) != 1:
        problem = "several models are" if found else "no earlier model is"
        raise UsageError(f"{problem} called {to!r}; name one of {_listed(models)}")
    return found[0]


def _nothing_left(candidates: Collection[ModelRef], current: Release) -> str:
    fenced = ", ".join(f"{fence.version} ({fence.digest[:12]})" for fence in current.fenced)
    way_out = f", or go back to a fenced one ({fenced}) with --to and --unfence-by" if fenced else ""
    return f"{_listed(candidates)}: none of these earlier models is whole; publish a new one{way_out}"


def _listed(models: Collection[ModelRef]) -> str:
    return ", ".join(f"{model.version} ({model.digest[:12]})" for model in models) or "no earlier model"
