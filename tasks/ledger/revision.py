"""The revision of a ledger's tables, and the upgrade of a ledger that an earlier version of this software made."""

from pathlib import Path

import sqlalchemy as sa

from healing.errors import ConfigError
from tasks.ledger.schema import metadata

HEAD = "0007"  # of the newest file in migrations/versions
VERSION_TABLE = "ledger_revision"  # not Alembic's own name, which Prefect's or MLflow's tables in the database may use
_recorded = sa.Table(VERSION_TABLE, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))
_MIGRATIONS = Path(__file__).parent / "migrations"
# The first table that each revision brought, newest first, for ledgers of the time before revisions were recorded.
_UNRECORDED = {
    "approvals": "0006",
    "post_mortems": "0005",
    "decisions": "0004",
    "leases": "0003",
    "feature_days": "0002",
    "incidents": "0001",
}


def recorded_revision(connection: sa.Connection) -> str | None:
    """The revision that the ledger records; None for a new ledger, or one of the time before revisions."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(sa.select(_recorded.c.version_num))


def bring_to_head(connection: sa.Connection) -> None:
    """Create the tables of a new ledger, or run the revisions that an older one lacks, in the caller's transaction.

    ConfigError for a ledger of a revision that this version does not know.
    """
    revision = recorded_revision(connection) or _first_recorded(connection)
    if not is_known(revision):
        raise ConfigError(
            f"expected a ledger of revision {HEAD} or earlier, found revision {revision}: a newer version of this "
            "software wrote it; use that version or a newer one, or restore a ledger from before"
        )
    if revision != HEAD:
        _upgrade(connection)


def is_known(revision: str) -> bool:
    """Whether this version has the revision."""
    return any(_MIGRATIONS.glob(f"versions/r{revision}_*.py"))


def _first_recorded(connection: sa.Connection) -> str:
    """The revision by the tables that are there, now recorded. Without any, the tables of this version are created."""
    present = set(sa.inspect(connection).get_table_names())
    revision = next((revision for table, revision in _UNRECORDED.items() if table in present), None)
    if revision is None:
        metadata.create_all(connection)
    _recorded.create(connection)
    connection.execute(_recorded.insert().values(version_num=revision or HEAD))
    return revision or HEAD


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, "head")
