"""Progress of an ingest, in rows where the source knows how many it has, else in batches."""

from tasks.runtime.progress import report_progress


class IngestProgress:
    """Counts ingested batches of `days` days of `tables` tables."""

    def __init__(self, days: int, tables: int, rows_per_day: float | None) -> None:
        self._batches = days * tables
        self._done = 0
        self._rows = rows_per_day

    def show(self) -> None:
        """Report how far the ingest is."""
        if self._rows is None:
            report_progress("ingest", self._done, self._batches, "batches")
        else:
            report_progress("ingest", round(self._done * self._rows), round(self._batches * self._rows), "rows")

    def add(self, batches: int) -> None:
        """Count batches of one table as ingested, and report."""
        self._done += batches
        self.show()
