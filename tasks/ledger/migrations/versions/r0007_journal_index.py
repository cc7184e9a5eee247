"""The index that finds the latest journal entry of a kind.

Ledgers that were created without it never got it: until here, opening a ledger added tables and columns only.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Most ledgers have it already."""
    op.create_index("latest_of_kind", "journal", ["pipeline", "kind", "id"], if_not_exists=True)
