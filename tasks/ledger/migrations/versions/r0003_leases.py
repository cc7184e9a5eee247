"""Leases with fencing tokens, and the boot clock of an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Attempts of before have no token and no boot."""
    op.add_column("attempts", sa.Column("lease_token", sa.Integer))
    op.add_column("attempts", sa.Column("boot_id", sa.String, nullable=False, server_default=""))
    op.add_column("attempts", sa.Column("started_boot_seconds", sa.Float))
    op.add_column("attempts", sa.Column("applied_at", sa.DateTime(timezone=True)))
    op.add_column("attempts", sa.Column("applied_boot_seconds", sa.Float))
    op.create_table(
        "leases",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("counter", sa.Integer, nullable=False),
    )
