"""Another source's batch in place of one that is rejected or loses rows, where the policy allows `switch_source`."""

from dataclasses import replace

import structlog

from healing.errors import SourceUnavailable
from healing.incident import Remedy
from tasks.ingestion.batch_policy import validate_within_policy
from tasks.ingestion.quarantine import keep_refused_batch
from tasks.ingestion.source_failover import keep_refused_answer
from tasks.ingestion.sources import OpenSource, SourceChain
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.batch_history import BatchHistory
from tasks.ingestion.validation.findings import BatchFinding
from tasks.ingestion.validation.validated_batch import ValidatedBatch

log = structlog.get_logger(__name__)


def best_batch(
    stores: Stores, chain: SourceChain, validated: ValidatedBatch, history: BatchHistory | None = None
) -> ValidatedBatch:
    """The batch itself, or a better one of the same day from another source.

    Another batch is better when it is not rejected, and has fewer bad rows or lacks this one's problem.
    """
    problem = next((each for each in validated.findings if each.remedy is not Remedy.REPAIR_BATCH), None)
    if problem is None or Remedy.SWITCH_SOURCE not in stores.remedies(problem.cause):
        return validated
    batch = validated.batch
    for source in chain.available():
        if source.name == batch.source:
            continue
        other = _validated_from(stores, source, validated, history)
        if other is None:
            continue
        if _is_better(other, validated, problem):
            keep_refused_batch(stores.quarantine_root, batch, problem.summary)
            return _switched(other, problem)
        reason = other.rejected or f"not better than that of {batch.source}: {len(other.bad)} bad rows"
        keep_refused_batch(stores.quarantine_root, other.batch, reason)
    return validated


def _validated_from(
    stores: Stores, source: OpenSource, validated: ValidatedBatch, history: BatchHistory | None
) -> ValidatedBatch | None:
    """The same batch from another source; None when it does not send one."""
    batch = validated.batch
    try:
        [other] = source.fetch(batch.table, stores.pipeline.tables[batch.table], [batch.day])
    except SourceUnavailable as exc:
        log.warning("second_source_unavailable", source=source.name, batch=batch.id, reason=str(exc))
        keep_refused_answer(stores, source.name, batch.table, batch.day, exc)
        return None
    return validate_within_policy(stores, batch.table, [other], history)[0]


def _is_better(other: ValidatedBatch, validated: ValidatedBatch, problem: BatchFinding) -> bool:
    if other.rejected is not None:
        return False
    if validated.rejected is not None or len(other.bad) < len(validated.bad):
        return True
    same_cause = any(finding.cause is problem.cause for finding in other.findings)
    return len(other.bad) == len(validated.bad) and not same_cause


def _switched(other: ValidatedBatch, problem: BatchFinding) -> ValidatedBatch:
    """The other batch, with the problem that the switch solved as its finding: one incident per cause."""
    switched = replace(problem, remedy=Remedy.SWITCH_SOURCE)
    others = (finding for finding in other.findings if finding.cause is not problem.cause)
    return replace(other, findings=(switched, *others))
