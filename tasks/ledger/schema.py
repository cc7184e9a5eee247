"""The ledger's tables."""

from datetime import UTC, datetime

import sqlalchemy as sa


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A time in UTC. SQLite does not store the time zone, so reading restores it. A naive time is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a time with a time zone, found the naive {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("pipeline", sa.String, nullable=False),
    sa.Column("cause", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("summary", sa.String, nullable=False),
    sa.Column("note", sa.String, nullable=False, default=""),
    sa.Column("detected_at", UtcDateTime, nullable=False),
    sa.Column("mitigated_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
)
sa.Index(
    "one_unfinished_incident",
    incidents.c.pipeline,
    incidents.c.cause,
    incidents.c.subject,
    unique=True,
    sqlite_where=incidents.c.ended_at.is_(None),
    postgresql_where=incidents.c.ended_at.is_(None),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("incident_id", sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("observer", sa.String, nullable=False),
    sa.Column("observed_at", UtcDateTime, nullable=False),
    sa.Column("summary", sa.String, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("incident_id", sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("remedy", sa.String, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("flow_run_id", sa.String),
    sa.Column("note", sa.String, nullable=False, default=""),
    sa.Column("lease_token", sa.Integer),  # of the healer that started it; NULL for one that a flow records itself
    sa.Column("boot_id", sa.String, nullable=False, server_default=""),
    sa.Column("started_boot_seconds", sa.Float),
    sa.Column("applied_at", UtcDateTime),
    sa.Column("applied_boot_seconds", sa.Float),
)
sa.Index(
    "one_running_attempt",  # of two `heal` runs, only one can start a remedy
    attempts.c.incident_id,
    unique=True,
    sqlite_where=attempts.c.outcome == "running",
    postgresql_where=attempts.c.outcome == "running",
)

decisions = sa.Table(  # a row only when the decision about an incident changes
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("incident_id", sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("at_utc", UtcDateTime, nullable=False),
    sa.Column("decision", sa.JSON, nullable=False),
)

post_mortems = sa.Table(  # which page exists of which state of an incident
    "post_mortems",
    metadata,
    sa.Column("incident_id", sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Column("status", sa.String, nullable=False),  # of the incident when its page was written
    sa.Column("page", sa.String, nullable=False),  # its file; empty for an incident that needs no page
    sa.Column("published", sa.Boolean, nullable=False),  # whether Prefect has the page as it is
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("incident_id", sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),  # of the attempt that waits for it
    sa.Column("remedy", sa.String, primary_key=True),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("boot_id", sa.String, nullable=False, server_default=""),
    sa.Column("asked_boot_seconds", sa.Float),
    sa.Column("outcome", sa.String),  # NULL until a person answers
    sa.Column("decided_by", sa.String, nullable=False, server_default=""),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("reason", sa.String, nullable=False, server_default=""),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("holder", sa.String, nullable=False),  # empty while nobody holds it
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("counter", sa.Integer, nullable=False),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("pipeline", sa.String, primary_key=True),
    sa.Column("batch_id", sa.String, primary_key=True),
    sa.Column("table", sa.String, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("received", sa.Integer, nullable=False),
    sa.Column("accepted", sa.Integer, nullable=False),
    sa.Column("quarantined", sa.Integer, nullable=False),
    sa.Column("duplicates", sa.Integer, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("lake_version", sa.Integer),
    sa.Column("repairs", sa.JSON, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    sa.Column("sha256", sa.String, nullable=False, server_default=""),
)

feature_days = sa.Table(
    "feature_days",
    metadata,
    sa.Column("pipeline", sa.String, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("inputs", sa.Integer, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("lake_version", sa.Integer, nullable=False),
)

checks = sa.Table(
    "checks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("pipeline", sa.String, nullable=False),
    sa.Column("check", sa.String, nullable=False),
    sa.Column("cause", sa.String, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("observations", sa.Integer, nullable=False),
    sa.Column("statistic", sa.Float),
    sa.Column("threshold", sa.Float),
    sa.Column("window_from", UtcDateTime, nullable=False),
    sa.Column("window_until", UtcDateTime, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
)
sa.Index("latest_check", checks.c.pipeline, checks.c.check, checks.c.id)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at_utc", UtcDateTime, nullable=False),
    sa.Column("at_monotonic_ns", sa.BigInteger, nullable=False),
    sa.Column("pipeline", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sqlite_autoincrement=True,  # ids are never reused, so a reader can continue after the last id it read
)
sa.Index("latest_of_kind", journal.c.pipeline, journal.c.kind, journal.c.id)
