"""The ledger: incidents, batches, checks and their journal in one database.

Every change also writes a journal entry in the same transaction, so the timeline always agrees with the state. Writers
on one database are serialised. A write that lost a race raises Conflict, an unreachable database StoreUnavailable.
"""

from tasks.ledger.approvals import ApprovalStore
from tasks.ledger.attempts import AttemptStore
from tasks.ledger.batches import BatchStore
from tasks.ledger.checks import CheckStore
from tasks.ledger.decisions import DecisionStore
from tasks.ledger.outage import OutageStore
from tasks.ledger.post_mortems import PostMortemStore
from tasks.ledger.totals import TotalsStore


class Ledger(
    AttemptStore, ApprovalStore, BatchStore, CheckStore, DecisionStore, OutageStore, PostMortemStore, TotalsStore
):
    """The whole ledger at a SQLAlchemy URL."""
