"""Which post-mortem page exists of which state of an incident."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "post_mortems",
        sa.Column("incident_id", sa.String(36), sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("page", sa.String, nullable=False),
        sa.Column("published", sa.Boolean, nullable=False),
    )
