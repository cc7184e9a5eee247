"""Sources of batches: one day of one table as bytes and rows, or a SourceUnavailable that says what went wrong.

`chain` opens the sources and holds their order. `http`, `files` and `sql` read one kind each. `document` checks that
bytes are the rows that they claim to be. `retry` is the only layer that repeats a request, behind the source's
`circuit`.
"""

from tasks.ingestion.sources.address import Lookup
from tasks.ingestion.sources.batch import Batch, ServedDays, batch_id
from tasks.ingestion.sources.chain import OpenSource, SourceChain, open_source, open_sources

__all__ = ["Batch", "Lookup", "OpenSource", "ServedDays", "SourceChain", "batch_id", "open_source", "open_sources"]
