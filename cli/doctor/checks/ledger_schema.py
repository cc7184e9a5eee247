"""Whether the ledger has the tables and columns of this version."""

from collections.abc import Iterator

import sqlalchemy as sa

from cli.doctor.examined import Examined, warning
from cli.doctor.finding import Finding
from tasks.ledger.schema import metadata

NAME = "ledger_schema"


def find(examined: Examined) -> Iterator[Finding]:
    """What is missing, and what this version does not know."""
    with examined.ledger() as connection:
        if connection is None:
            return
        inspector = sa.inspect(connection)
        present = {f"{table}.{each['name']}" for table in _ours(inspector) for each in inspector.get_columns(table)}
    known = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns}
    if known - present:
        fix = "the next command that opens the ledger adds them: `autopilot heal`"
        yield warning(NAME, "ledger", "the columns of this version", f"without {_listed(known - present)}", fix)
    if present - known:
        fix = "use the version of autopilot that wrote the ledger, or a newer one"
        yield warning(NAME, "ledger", "columns that this version knows", f"also {_listed(present - known)}", fix)


def _ours(inspector: sa.Inspector) -> list[str]:
    """The tables of the ledger; a database server may have others."""
    return [name for name in inspector.get_table_names() if name in metadata.tables]


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)[:6]) + (" and more" if len(names) > 6 else "")
