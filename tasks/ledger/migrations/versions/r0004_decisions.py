"""Changes of the decision about an incident."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("incident_id", sa.String(36), sa.ForeignKey("incidents.id"), nullable=False, index=True),
        sa.Column("at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.JSON, nullable=False),
    )
