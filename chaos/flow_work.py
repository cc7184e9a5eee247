"""Whether the work of a retrain or release was done exactly once, whoever finished it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chaos.record import LedgerEntry
from chaos.spec import FlowEnd

__all__ = ["MISSING_WORK", "missing_work"]

MISSING_WORK = "missing_work"  # name of the result in the record of a drill

Release = Mapping[str, Any]


def missing_work(flow: str, ends: FlowEnd, entries: Sequence[LedgerEntry], releases: Sequence[Release]) -> list[str]:
    """What is missing of the work of one `flow`, or was done twice. Empty once it ended as it should.

    `entries` and `releases` are those since the flow was started, oldest first.
    """
    return [*_report(flow, ends, entries), *_released(ends, releases), *_published(flow, ends, entries)]


def _report(flow: str, ends: FlowEnd, entries: Iterable[LedgerEntry]) -> list[str]:
    """Whether the last report of a retrain is the expected one; a release alone writes none."""
    if flow != "retrain":
        return []
    reports = [entry for entry in entries if entry.kind in ("retrain.started", "retrain.finished")]
    last = reports[-1] if reports else None
    if last is None or last.kind == "retrain.started":
        return ["the retrain has no end on record"]
    result = last.detail.get("result")
    return [] if result == ends else [f"expected the retrain to end {ends.value}, found {result}"]


def _released(ends: FlowEnd, releases: Sequence[Release]) -> list[str]:
    if releases and releases[-1]["challenger"] is not None:
        return ["a trial is not over"]
    promoted = sum(release["reason"] == "promote" for release in releases)
    wanted = int(ends is FlowEnd.PROMOTED)
    return [] if promoted == wanted else [f"expected {wanted} promotions, found {promoted}"]


def _published(flow: str, ends: FlowEnd, entries: Iterable[LedgerEntry]) -> list[str]:
    """Whether one plan gave one model."""
    if flow != "retrain":
        return []
    digests = {entry.subject for entry in entries if entry.kind == "model.published"}
    wanted = int(ends is FlowEnd.PROMOTED)
    return [] if len(digests) == wanted else [f"expected {wanted} published models, found {len(digests)}"]
