"""Sources of batches: one day of one table as bytes and rows, or a SourceUnavailable that says what went wrong.

`chain` opens them and asks them in order; `http`, `files` and `sql` each read one kind; `document` finds out whether
bytes are the rows they claim to be; `patience` is the only layer that tries again, behind the endpoint's `circuit`.
"""

from tasks.ingestion.sources.address import Lookup
from tasks.ingestion.sources.batch import Batch, Days, batch_id
from tasks.ingestion.sources.chain import OpenSource, SourceChain, open_source, open_sources

__all__ = ["Batch", "Days", "Lookup", "OpenSource", "SourceChain", "batch_id", "open_source", "open_sources"]
