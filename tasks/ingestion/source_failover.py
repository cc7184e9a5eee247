"""Which source gives a batch: the first that answers with rows that meet their contract.

A source that fails is left for the rest of the run, and that is told; so is its return. What it sent and was refused is
kept in quarantine with the reason, also where another source gave the same batch well.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date

import structlog

from healing.errors import SourceUnavailable
from healing.incident import Cause, Remedy, Status
from tasks.ingestion.quarantine import Refusal, keep_refused
from tasks.ingestion.sources import Batch, OpenSource, SourceChain, batch_id
from tasks.ingestion.stores import Stores
from tasks.ingestion.validate import Examined, Finding, examine
from tasks.ingestion.validation.batch_history import Past
from tasks.ledger.immediate_remedy import immediate_remedy
from tasks.runtime.events import EventName

log = structlog.get_logger(__name__)

SWITCHED = "source.switched"  # kind of the journal's entries


def fetch(stores: Stores, chain: SourceChain, table: str, days: Sequence[date], remedies: ExitStack) -> list[Batch]:
    """The batches of `days`, each from the best source that gives it, in their order.

    A source that does not answer is left. One that answers with something else than rows is still asked for the other
    days (its circuit ends that, if it does so each time): a day that no source has right must not keep the rest out.
    Such a day is not among the batches; a person hears of it, and the next run asks for it again. SourceUnavailable
    when days are missing because no source is left to ask.
    """
    batches: dict[date, Batch] = {}
    refused: dict[date, SourceUnavailable] = {}
    for source in chain.up():
        lied: set[date] = set()
        while wanted := [day for day in days if day not in batches and day not in lied]:
            try:
                for batch in source.fetch(table, stores.pipeline.tables[table], wanted):
                    batches[batch.day] = batch
            except SourceUnavailable as exc:
                failed = next(day for day in wanted if day not in batches)  # batches come in the order of their days
                _keep(stores, source, table, failed, exc)
                switch_source(stores, chain, source, exc, remedies, leave=not exc.original)
                if not exc.original:
                    break
                lied.add(failed)
                refused[failed] = exc
    unread = [day for day in days if day not in batches]
    if not chain.up() and any(day not in refused for day in unread):
        raise chain.exhausted()
    for day in unread:
        _give_up(stores, batch_id(table, day), refused[day], remedies)
    return [batches[day] for day in days if day in batches]


def _give_up(stores: Stores, batch: str, reason: SourceUnavailable, remedies: ExitStack) -> None:
    """An incident about a batch of which no source sent rows; what they sent is kept, and a person has to hear."""
    finding = Finding(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH, str(reason), {"error": type(reason).__name__})
    held = immediate_remedy(
        stores.ledger, stores.evidence(finding, batch), finding.remedy, stores.run_id, Status.ESCALATED
    )
    incident = remedies.enter_context(held)
    remedies.callback(stores.call_person, incident, f"no source sent rows of {batch}: {reason}")


def best(stores: Stores, chain: SourceChain, judged: Examined, past: Past | None = None) -> Examined:
    """The batch itself, or, where it is rejected or loses rows and policy allows, a better one of the same day.

    Another source's batch is better when it is accepted, and keeps fewer rows out or has nothing of what is wrong here.
    """
    why = next((each for each in judged.findings if each.remedy is not Remedy.REPAIR_BATCH), None)
    if why is None or Remedy.SWITCH_SOURCE not in stores.remedies(why.cause):
        return judged
    batch = judged.batch
    for source in chain.up():
        if source.name == batch.source:
            continue
        try:
            [other] = source.fetch(batch.table, stores.pipeline.tables[batch.table], [batch.day])
        except SourceUnavailable as exc:
            log.warning("second_source_unavailable", source=source.name, batch=batch.id, reason=str(exc))
            _keep(stores, source, batch.table, batch.day, exc)
            continue
        [again] = examine(stores.pipeline, batch.table, [other], past)
        if _is_better(again, judged, why):
            _keep_batch(stores, batch, why.summary)
            switched = replace(why, remedy=Remedy.SWITCH_SOURCE)
            others = (finding for finding in again.findings if finding.cause is not why.cause)
            return replace(again, findings=(switched, *others))  # a batch has one incident a cause
        _keep_batch(
            stores, other, again.rejected or f"no better than that of {batch.source}: {len(again.bad)} bad rows"
        )
    return judged


def _is_better(again: Examined, judged: Examined, why: Finding) -> bool:
    if again.rejected is not None:
        return False
    if judged.rejected is not None or len(again.bad) < len(judged.bad):
        return True
    return len(again.bad) == len(judged.bad) and all(finding.cause is not why.cause for finding in again.findings)


def switch_source(
    stores: Stores,
    chain: SourceChain,
    source: OpenSource,
    reason: SourceUnavailable,
    remedies: ExitStack,
    *,
    leave: bool = True,
) -> None:
    """Turn to the next source; the incident of this one recovers when what `remedies` spans ends well.

    With `leave`, it is not asked again in this run. Its first failure in a run is told, not each.
    """
    known = chain.in_trouble(source)
    after = chain.after(source)
    chain.set_trouble(source, reason, leave=leave)
    if known:
        return
    facts: dict[str, object] = {"source": source.name, "error": type(reason).__name__}
    finding = Finding(Cause.SOURCE_UNAVAILABLE, Remedy.SWITCH_SOURCE, str(reason), facts)
    evidence = stores.evidence(finding, source.name)
    remedies.enter_context(immediate_remedy(stores.ledger, evidence, finding.remedy, stores.run_id))
    _tell(stores, source.name, after, str(reason))


def tell_return(stores: Stores, chain: SourceChain) -> None:
    """Say that a better source answers again than the one that was switched to last."""
    last = next(iter(stores.ledger.entries(stores.pipeline.name, SWITCHED, limit=1)), None)
    serving = next((source.name for source in chain.up() if source.answered and not chain.in_trouble(source)), None)
    if last is None or serving is None:
        return
    before = [name for name in chain.names() if name in _names(last.detail.get("to"))]
    if serving not in before and chain.names().index(serving) < min(map(chain.names().index, before), default=1 << 30):
        _tell(stores, before[0] if before else None, [serving], "it answers again")


def _names(found: object) -> list[str]:
    return [str(name) for name in found] if isinstance(found, list) else []


def _tell(stores: Stores, before: str | None, after: list[str], reason: str) -> None:
    """Event first, journal last: a run that dies between them tells it twice rather than never."""
    stores.emit(EventName.SOURCE_SWITCHED, stores.pipeline.name, {"from": before, "to": after, "reason": reason})
    stores.ledger.record_entry(
        stores.pipeline.name, SWITCHED, before or "", {"from": before, "to": after, "reason": reason}
    )


def _keep(stores: Stores, source: OpenSource, table: str, day: date, reason: SourceUnavailable) -> None:
    if not reason.original:
        return
    refusal = Refusal(
        batch_id=batch_id(table, day),
        table=table,
        day=day,
        source=source.name,
        error=type(reason).__name__,
        reason=str(reason),
    )
    keep_refused(stores.quarantine_root, reason.original, reason.suffix, refusal)


def _keep_batch(stores: Stores, batch: Batch, reason: str) -> None:
    refusal = Refusal(
        batch_id=batch.id, table=batch.table, day=batch.day, source=batch.source, error="ContractBroken", reason=reason
    )
    keep_refused(stores.quarantine_root, batch.content, batch.suffix, refusal)
