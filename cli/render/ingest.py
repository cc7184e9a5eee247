"""The report of an ingest: what came in, and the batches that a person may want to see."""

from typing import TYPE_CHECKING

from rich.console import RenderableType

from cli.render.parts import Headline, fields, number

if TYPE_CHECKING:
    from flows.ingest import IngestReport

_BATCHES_MAX = 10


def ingest_parts(report: "IngestReport") -> list[RenderableType]:
    """The days and rows, then the batches that are not simply accepted."""
    days = "no day was missing" if report.since is None else f"{report.since} to {report.until}"
    rows = report.rows
    return [
        Headline(f"{report.pipeline}: ingested {number(rows.accepted)} rows of {number(report.batches)} batches"),
        fields(
            [
                ("days", days),
                ("received", f"{number(rows.received)} rows"),
                ("quarantined", f"{number(rows.quarantined)} rows" if rows.quarantined else None),
                ("duplicates", f"{number(rows.duplicates)} rows" if rows.duplicates else None),
                ("features", f"{number(report.feature_rows)} new rows"),
                ("repaired", _listed(report.repaired)),
                ("in quarantine", _listed(report.quarantined)),
                ("rejected", _listed(report.rejected)),
                ("revised", _listed(report.revised)),
                ("took", f"{report.seconds:.1f} s"),
            ]
        ),
    ]


def _listed(batches: tuple[str, ...]) -> str:
    more = f" and {len(batches) - _BATCHES_MAX} more" if len(batches) > _BATCHES_MAX else ""
    return f"{', '.join(batches[:_BATCHES_MAX])}{more}"
