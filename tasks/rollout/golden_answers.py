"""Checks that a model is intact and gives its golden answers, over HTTP where it is loaded, else in this process."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import structlog

from healing.errors import GatewayUnavailable, ModelCorrupt
from healing.release import ModelRef
from healing.verdict import Outcome, Verdict
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.serving.gateway_client import probe_model

log = structlog.get_logger(__name__)

PROBES_MAX = 3
PROBE_PAUSE_SECONDS = 0.3


def check_answers(release_root: ReleaseRoot, public_key: Path, model: ModelRef, predict_url: str | None) -> None:
    """Raise ModelCorrupt unless signature and digests hold and the golden rows get their golden answers.

    The gateway at `predict_url` is asked first. One that does not respond says nothing about the model, which is then
    loaded in this process.
    """
    ModelStore(release_root).verify(model.digest, public_key)
    if predict_url is not None and _answers_live(predict_url, release_root, model):
        return
    from releases.loader import load  # scikit-learn takes seconds to import, and most rollbacks go to a warm model

    load(ModelStore(release_root).fetch(model.digest), public_key)


def probe_repeatedly(predict_url: str, release_root: ReleaseRoot, digest: str) -> Verdict:
    """`probe_model`, repeated on FAIL up to PROBES_MAX times: a full queue can fail a single probe."""
    manifest = ModelStore(release_root).manifest(digest)
    probe = probe_model(predict_url, digest, manifest)
    for _ in range(PROBES_MAX - 1):
        if probe.outcome is not Outcome.FAIL:
            break
        time.sleep(PROBE_PAUSE_SECONDS)
        probe = probe_model(predict_url, digest, manifest)
    return probe


def intact_models(candidates: Iterable[ModelRef], check: Callable[[ModelRef], None]) -> Iterator[ModelRef]:
    """The candidates for which `check` raises no ModelCorrupt, each checked only when it is asked for."""
    for model in candidates:
        try:
            check(model)
        except ModelCorrupt as exc:
            log.warning("rollback_candidate_refused", digest=model.digest, version=model.version, cause=str(exc))
            continue
        yield model


def _answers_live(predict_url: str, release_root: ReleaseRoot, model: ModelRef) -> bool:
    """Whether the gateway has the model loaded and it answers rightly; ModelCorrupt when it answers wrongly."""
    try:
        probe = probe_repeatedly(predict_url, release_root, model.digest)
    except GatewayUnavailable as exc:
        log.warning("candidate_not_probed", version=model.version, cause=str(exc))
        return False
    if probe.outcome is Outcome.FAIL:
        raise ModelCorrupt(
            f"model {model.digest} should give its golden answers over HTTP, found: {probe.reason}; "
            "roll back to another model"
        )
    return probe.outcome is Outcome.PASS
