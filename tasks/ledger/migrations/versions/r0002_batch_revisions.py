"""Revisions of a batch, and the days whose features are computed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Batches of before are first revisions, of unknown content."""
    op.add_column("batches", sa.Column("revision", sa.Integer, nullable=False, server_default="1"))
    op.add_column("batches", sa.Column("sha256", sa.String, nullable=False, server_default=""))
    op.create_table(
        "feature_days",
        sa.Column("pipeline", sa.String, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("inputs", sa.Integer, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("lake_version", sa.Integer, nullable=False),
    )
