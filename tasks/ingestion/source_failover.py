"""Fetch batches from the first source that answers with rows, and report each switch of source.

A source that does not answer is not used again in the same run. What a source sent and was refused is kept in
quarantine with the reason, even when another source sent the batch.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date

from healing.errors import SourceUnavailable
from healing.incident import Cause, Remedy
from tasks.ingestion.batch_incidents import escalate, open_incident
from tasks.ingestion.batch_policy import allowed_finding
from tasks.ingestion.quarantine import Refusal, keep_refused
from tasks.ingestion.sources import Batch, OpenSource, SourceChain, batch_id
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.findings import BatchFinding
from tasks.ingestion.validation.preload import loaded_while_waiting
from tasks.runtime.events import EventName

SWITCHED = "source.switched"  # kind of the journal's entries


def fetch_batches(
    stores: Stores, chain: SourceChain, table: str, days: Sequence[date], remedies: ExitStack
) -> list[Batch]:
    """The batches of `days`, each from the first source that has it, in the order of `days`.

    A source that sent something other than rows is still asked for the other days, until its circuit opens: one day
    that no source has right must not block the rest. That day is not among the batches; it is escalated, and the next
    run asks for it again. SourceUnavailable when days are missing because no source is left.
    """
    batches: dict[date, Batch] = {}
    refused: dict[date, SourceUnavailable] = {}
    for source in chain.available():
        _fetch_from(stores, chain, source, table, days, batches, refused, remedies)
    unread = [day for day in days if day not in batches]
    if not chain.available() and any(day not in refused for day in unread):
        raise chain.exhausted()
    for day in unread:
        _escalate_day(stores, batch_id(table, day), refused[day], remedies)
    return [batches[day] for day in days if day in batches]


def switch_source(
    stores: Stores,
    chain: SourceChain,
    source: OpenSource,
    reason: SourceUnavailable,
    remedies: ExitStack,
    *,
    skip: bool = True,
) -> None:
    """Switch to the next source; the incident about this one recovers when the block of `remedies` succeeds.

    With `skip`, this source is not used again in this run. Only its first failure in a run is reported.
    """
    failed_before = chain.has_failed(source)
    following = chain.after(source)
    chain.mark_failed(source, reason, skip=skip)
    if failed_before:
        return
    facts: dict[str, object] = {"source": source.name, "error": type(reason).__name__}
    finding = BatchFinding(Cause.SOURCE_UNAVAILABLE, Remedy.SWITCH_SOURCE, str(reason), facts)
    open_incident(stores, finding, source.name, remedies)
    _report_switch(stores, source.name, following, str(reason))


def report_return(stores: Stores, chain: SourceChain) -> None:
    """Report that a better source answers again than the one of the last switch."""
    last = next(iter(stores.ledger.entries(stores.pipeline.name, SWITCHED, limit=1)), None)
    working = (source.name for source in chain.available() if source.answered and not chain.has_failed(source))
    serving = next(working, None)
    if last is None or serving is None:
        return
    order = chain.names().index
    before = [name for name in chain.names() if name in _names(last.detail.get("to"))]
    if serving not in before and order(serving) < min(map(order, before), default=len(chain.names())):
        _report_switch(stores, before[0] if before else None, [serving], "it answers again")


def keep_refused_answer(stores: Stores, source: str, table: str, day: date, reason: SourceUnavailable) -> None:
    """Keep the bytes that a source sent instead of rows, if there are any."""
    if not reason.original:
        return
    refusal = Refusal(
        batch_id=batch_id(table, day),
        table=table,
        day=day,
        source=source,
        error=type(reason).__name__,
        reason=str(reason),
    )
    keep_refused(stores.quarantine_root, reason.original, reason.suffix, refusal)


def _fetch_from(
    stores: Stores,
    chain: SourceChain,
    source: OpenSource,
    table: str,
    days: Sequence[date],
    batches: dict[date, Batch],
    refused: dict[date, SourceUnavailable],
    remedies: ExitStack,
) -> None:
    """Add to `batches` what one source has of the missing days, and to `refused` why it lacks a day."""
    wrong: set[date] = set()
    while wanted := [day for day in days if day not in batches and day not in wrong]:
        try:
            with loaded_while_waiting():
                for batch in source.fetch(table, stores.pipeline.tables[table], wanted):
                    batches[batch.day] = batch
        except SourceUnavailable as exc:
            failed = next(day for day in wanted if day not in batches)  # batches come in the order of their days
            keep_refused_answer(stores, source.name, table, failed, exc)
            switch_source(stores, chain, source, exc, remedies, skip=not exc.original)
            if not exc.original:
                return
            wrong.add(failed)
            refused[failed] = exc


def _escalate_day(stores: Stores, batch: str, reason: SourceUnavailable, remedies: ExitStack) -> None:
    """Escalate a batch of which no source sent rows; what they sent is in quarantine."""
    finding = BatchFinding(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH, str(reason), {"error": type(reason).__name__})
    allowed = allowed_finding(stores, finding)
    escalate(stores, allowed, batch, f"no source sent rows of {batch}: {reason}", remedies)


def _names(found: object) -> list[str]:
    return [str(name) for name in found] if isinstance(found, list) else []


def _report_switch(stores: Stores, before: str | None, after: list[str], reason: str) -> None:
    """The event first, the journal last: a run that dies in between reports twice rather than never."""
    detail = {"from": before, "to": after, "reason": reason}
    stores.emit(EventName.SOURCE_SWITCHED, stores.pipeline.name, detail)
    stores.ledger.record_entry(stores.pipeline.name, SWITCHED, before or "", detail)
