"""Two extensions of the Open Inference Protocol: the index of the model repository, and statistics."""

from collections.abc import Iterable
from typing import Any

from gateway.batching.versions import Version
from gateway.rows.refusals import BadRequest
from gateway.workers.phase import WorkerPhase

EXTENSIONS = ("binary_tensor_data", "model_repository", "statistics")
_LOADING = frozenset({WorkerPhase.STARTING})
_NOT_MEASURED = {"count": 0, "ns": 0}


def repository_index(model: str, versions: Iterable[Version], *, ready_only: bool) -> list[dict[str, Any]]:
    """The loaded versions of the model, as Triton lists them."""
    entries = [{"name": model, "version": v.model.version, "state": _state(v), "reason": _reason(v)} for v in versions]
    return [entry for entry in entries if entry["state"] == "READY" or not ready_only]


def refuse_change(action: str) -> BadRequest:
    """A client neither loads nor unloads models: releases do."""
    return BadRequest(f"models are loaded by releases: this server does not {action} them on request")


def statistics(model: str, versions: Iterable[Version]) -> dict[str, Any]:
    """Counts since each version was loaded. An inference is a request, an execution is a batch.

    Times are from the question to the answer; their parts are not measured.
    """
    return {"model_stats": [_statistics_of(model, version) for version in versions]}


def _statistics_of(model: str, version: Version) -> dict[str, Any]:
    window = version.window
    success = {"count": window.answered_total, "ns": round(window.durations.total * 1e9)}
    parts = ("queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
    return {
        "name": model,
        "version": version.model.version,
        "inference_count": window.answered_total,
        "execution_count": version.workers.batches,
        "inference_stats": {
            "success": success,
            "fail": {"count": window.failed_total, "ns": 0},
            **dict.fromkeys(parts, _NOT_MEASURED),
        },
        "batch_stats": [],
    }


def _state(version: Version) -> str:
    if version.workers.ready:
        return "READY"
    return "LOADING" if version.workers.state in _LOADING else "UNAVAILABLE"


def _reason(version: Version) -> str:
    return "" if version.workers.ready else version.workers.set_aside_because or version.workers.state.value
