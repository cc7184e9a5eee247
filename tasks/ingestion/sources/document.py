"""A document that claims to hold rows: the check of that claim, and its rows as text.

A source may answer 200 and send a sign-in page, half a file, or text that was decoded wrongly on its way. Each is found
here, before any column is read.
"""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from healing.errors import NotData, Oversized, SourceUnavailable, Truncated
from tasks.config.sources_section import Endpoint, Format
from tasks.ingestion.sources import csv_rows, json_rows, parquet_rows
from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort, TooLarge
from tasks.ingestion.sources.text import as_utf8
from tasks.ingestion.sources.unpacking import COMPRESSIONS, unpack

_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_BY_CONTENT_TYPE: dict[str, Format] = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/vnd.apache.parquet": "parquet",
}
# Content types that exclude the format. Others (octet-stream, text/plain) say too little.
_CONTRADICTIONS: dict[Format, tuple[str, ...]] = {
    "csv": ("html", "json", "xml", "image/", "video/", "audio/", "pdf", "parquet"),
    "json": ("html", "csv", "xml", "image/", "video/", "audio/", "pdf", "parquet"),
    "ndjson": ("html", "csv", "xml", "image/", "video/", "audio/", "pdf", "parquet"),
    "parquet": ("html", "json", "csv", "xml", "image/", "video/", "audio/", "pdf"),
}
_NAMES: dict[Format, str] = {
    "csv": "CSV",
    "json": "JSON",
    "ndjson": "one JSON object per line",
    "parquet": "Parquet",
}


@dataclass(frozen=True)
class Document:
    """Bytes and their claimed format. `where` is shown in messages and holds no secret; `path` gives the extensions.

    `has_length` is False where nothing announced the length; then a last line without an end may be cut off.
    """

    endpoint: Endpoint
    where: str
    path: str
    content: bytes = field(repr=False)
    format: Format | None = None
    content_type: str = ""
    records: str | None = None
    has_length: bool = True
    encoding: str | None = None

    @property
    def suffix(self) -> str:
        """The extensions for storing it: csv, json.gz."""
        compression = PurePosixPath(self.path).suffix.lower()
        return self._format + (compression if compression in COMPRESSIONS else "")

    def rows(self) -> pa.Table:
        """Its rows, every column as text, null where a value is missing; NotData, Truncated or Oversized."""
        if any(other in self._media_type for other in _CONTRADICTIONS[self._format]):
            self._refuse(NotData, f"content-type {self._media_type}")
        try:
            rows = self._read(unpack(self.content, self.path, self.endpoint.batch_bytes_max))
        except CutShort as exc:
            self._refuse(Truncated, str(exc), exc)
        except TooLarge as exc:
            self._refuse(Oversized, str(exc), exc)
        except BrokenDocument as exc:
            self._refuse(NotData, str(exc), exc)
        self.check_size(rows)
        return rows

    def check_size(self, rows: pa.Table) -> None:
        """Oversized when a value is too long, or when there are too many rows."""
        limit = self.endpoint.field_bytes_max
        for name in rows.column_names:
            longest = pc.max(pc.binary_length(rows[name])).as_py() or 0
            if max(longest, len(name)) > limit:
                self._refuse(Oversized, f"a value of {longest} bytes in {name[:60]!r}, more than {limit}")
        if rows.num_rows > self.endpoint.batch_rows_max:
            self._refuse(Oversized, f"{rows.num_rows} rows, more than {self.endpoint.batch_rows_max}")

    @property
    def _media_type(self) -> str:
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def _format(self) -> Format:
        if self.format is not None:
            return self.format
        path = PurePosixPath(self.path.lower())
        if path.suffix in COMPRESSIONS:
            path = path.with_suffix("")
        return _FORMATS.get(path.suffix) or _BY_CONTENT_TYPE.get(self._media_type) or "csv"

    def _read(self, content: bytes) -> pa.Table:
        if self._format != "parquet":
            content = as_utf8(content, self.encoding)
        if not content.strip():
            raise BrokenDocument("an empty body")
        if not self.has_length and self._format in ("csv", "ndjson") and not content.endswith(b"\n"):
            raise CutShort("a last line without an end, and no content-length")
        match self._format:
            case "csv":
                return csv_rows.read(content)
            case "json":
                return json_rows.read(content, self.records)
            case "ndjson":
                return json_rows.read_lines(content)
            case "parquet":
                return parquet_rows.read(content, self.endpoint.batch_bytes_max)

    def _refuse(self, kind: type[SourceUnavailable], found: str, cause: Exception | None = None) -> NoReturn:
        raise kind(
            f"source {self.endpoint.name}: expected {_NAMES[self._format]} from {self.where}, found {found}; "
            f"it begins {self.content[:60]!r}",
            self.content,
            self.suffix,
        ) from cause
