"""Whether the ledger has the revision of this version, and the columns of its revision."""

from collections.abc import Iterator

import sqlalchemy as sa

from cli.doctor.examined import Examined, warning
from cli.doctor.finding import Finding
from tasks.ledger.revision import HEAD, is_known, recorded_revision
from tasks.ledger.schema import metadata

NAME = "ledger_schema"


def find(examined: Examined) -> Iterator[Finding]:
    """A ledger of another revision, and one whose tables are not those of its revision."""
    with examined.ledger() as connection:
        if connection is None:
            return
        revision = recorded_revision(connection)
        inspector = sa.inspect(connection)
        present = {f"{table}.{each['name']}" for table in _ours(inspector) for each in inspector.get_columns(table)}
    known = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns}
    expected = f"revision {HEAD}, the one of this version"
    if revision is not None and not is_known(revision):
        fix = "use the version of autopilot that wrote the ledger, or a newer one"
        yield warning(NAME, "ledger", expected, f"revision {revision} of a newer version", fix)
    elif revision != HEAD:
        fix = "the next command that opens the ledger upgrades it: `autopilot heal`"
        yield warning(NAME, "ledger", expected, f"revision {revision or 'of the time before revisions'}", fix)
    elif known - present:
        fix = "restore the ledger from a backup; no command removes a column"
        yield warning(NAME, "ledger", f"the columns of revision {HEAD}", f"without {_listed(known - present)}", fix)


def _ours(inspector: sa.Inspector) -> list[str]:
    """The tables of the ledger; a database server may have others."""
    return [name for name in inspector.get_table_names() if name in metadata.tables]


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)[:6]) + (" and more" if len(names) > 6 else "")
