"""The ledger: what went wrong, what was tried, which rows came in, what the monitor saw.

Every change also writes a row of the journal in the same transaction, so that the timeline never disagrees with the
state. Writers on one database are serialised; a lost race is a Conflict, an unreachable database StoreUnavailable.
"""

from tasks.ledger.batches import Batches
from tasks.ledger.checks import Checks
from tasks.ledger.incidents import Incidents


class Ledger(Incidents, Batches, Checks):
    """The ledger at a SQLAlchemy URL, all of its parts."""
