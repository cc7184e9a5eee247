"""Post-mortems in the ledger: which incident has a page, of which status, and whether Prefect has it too."""

from dataclasses import dataclass

import sqlalchemy as sa

from healing.incident import ENDED, Status
from tasks.ledger import schema
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.journal import Journal


@dataclass(frozen=True, slots=True)
class PostMortem:
    """The page of an incident. `status` is that of the incident when the page was written."""

    incident_id: str
    status: Status
    page: str


class PostMortemStore(Journal):
    """The part of the ledger that stores which post-mortems exist."""

    def incidents_without_post_mortem(self, pipeline: str, limit: int) -> list[str]:
        """Ids of ended incidents without a page, or with a page of an earlier status; the first to end comes first."""
        incidents, pages = schema.incidents, schema.post_mortems
        query = (
            sa.select(incidents.c.id)
            .outerjoin(pages, pages.c.incident_id == incidents.c.id)
            .where(
                incidents.c.pipeline == pipeline,
                incidents.c.status.in_([status.value for status in ENDED]),
                sa.or_(pages.c.status.is_(None), pages.c.status != incidents.c.status),
            )
            .order_by(incidents.c.ended_at)
            .limit(limit)
        )
        with snapshot(self._engine) as connection:
            return list(connection.scalars(query))

    def record_post_mortem(self, written: PostMortem) -> None:
        """Record the page, which replaces an earlier one; Prefect does not have it yet."""
        table = schema.post_mortems
        with transaction(self._engine) as connection:
            connection.execute(table.delete().where(table.c.incident_id == written.incident_id))
            connection.execute(
                table.insert().values(
                    incident_id=written.incident_id, status=written.status.value, page=written.page, published=False
                )
            )

    def unpublished_post_mortems(self, pipeline: str, limit: int) -> list[PostMortem]:
        """Pages that Prefect does not have, those of the latest incidents first."""
        incidents, pages = schema.incidents, schema.post_mortems
        query = (
            sa.select(pages.c.incident_id, pages.c.status, pages.c.page)
            .join(incidents, incidents.c.id == pages.c.incident_id)
            .where(incidents.c.pipeline == pipeline, pages.c.page != "", pages.c.published.is_(False))
            .order_by(incidents.c.ended_at.desc())
            .limit(limit)
        )
        with snapshot(self._engine) as connection:
            rows = connection.execute(query).all()
        return [PostMortem(row.incident_id, Status(row.status), row.page) for row in rows]

    def post_mortem(self, incident_id: str) -> PostMortem | None:
        """The page of the incident; None if there is none."""
        table = schema.post_mortems
        query = sa.select(table.c.incident_id, table.c.status, table.c.page).where(
            table.c.incident_id == incident_id, table.c.page != ""
        )
        with snapshot(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else PostMortem(row.incident_id, Status(row.status), row.page)

    def mark_published(self, published: PostMortem) -> None:
        """Record that Prefect has the page, unless it was replaced meanwhile."""
        table = schema.post_mortems
        same = sa.and_(table.c.incident_id == published.incident_id, table.c.status == published.status.value)
        with transaction(self._engine) as connection:
            connection.execute(table.update().where(same).values(published=True))
