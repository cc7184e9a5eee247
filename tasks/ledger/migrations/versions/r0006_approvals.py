"""Remedies that wait for a person, and what the person answered."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "approvals",
        sa.Column("incident_id", sa.String(36), sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("remedy", sa.String, primary_key=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("boot_id", sa.String, nullable=False, server_default=""),
        sa.Column("asked_boot_seconds", sa.Float),
        sa.Column("outcome", sa.String),
        sa.Column("decided_by", sa.String, nullable=False, server_default=""),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.String, nullable=False, server_default=""),
    )
