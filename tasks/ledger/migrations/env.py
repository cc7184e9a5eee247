"""Runs revisions on the connection, and in the transaction, of the caller. Only Alembic executes this file."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
