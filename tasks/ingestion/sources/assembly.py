"""A batch assembled from its documents: one file, several files, or pages."""

import io
import zipfile
from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from healing.errors import Looping, NotData, Oversized
from tasks.config.sources_section import Endpoint, FilesEndpoint
from tasks.ingestion.sources.batch import Batch
from tasks.ingestion.sources.document import Document


def common_columns(parts: Sequence[pa.Table]) -> list[str]:
    """The columns that every table has, in the order of the first."""
    return [name for name in parts[0].column_names if all(name in part.column_names for part in parts)]


class Assembly:
    """The documents of one batch in their order, together within the limits of a batch."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._documents: list[Document] = []
        self._rows: list[pa.Table] = []

    @property
    def bytes_left(self) -> int:
        """How many bytes the next document may have."""
        return self._endpoint.batch_bytes_max - sum(len(document.content) for document in self._documents)

    @property
    def parts(self) -> list[pa.Table]:
        """The rows of each document that has any column, in their order; one document may have more columns."""
        return [part for part in self._rows if part.num_columns] or self._rows[:1]

    def add(self, document: Document, rows: pa.Table) -> None:
        """Add a document, with columns in any order and perhaps more of them; an empty last page may have none."""
        if self._documents:
            self._check_fits(document, rows)
        self._documents.append(document)
        self._rows.append(rows)
        found, limit = sum(part.num_rows for part in self._rows), self._endpoint.batch_rows_max
        if found > limit:
            raise Oversized(f"source {self._endpoint.name}: expected at most {limit} rows, found {found}")

    def batch(self, name: str, day: date) -> Batch:
        """All documents as one batch of table `name`."""
        return Batch(name, day, self._endpoint.name, self._content(), self.rows(), self._suffix)

    def rows(self) -> pa.Table:
        """The rows of all documents, in their order, with the columns that every document has.

        A column that a document lacks is thus missing from the batch, which the contract finds if it needs the column.
        """
        return pa.concat_tables([part.select(common_columns(self.parts)) for part in self.parts])

    def _check_fits(self, document: Document, rows: pa.Table) -> None:
        first, before = self._rows[0], self._documents[-1]
        if rows.num_rows and document.content == before.content:
            raise Looping(
                f"source {self._endpoint.name}: expected a new page from {document.where}, found the same page again; "
                "check whether it reads the page parameter"
            )
        if rows.num_columns and first.num_columns and not self._has_the_columns(rows, first):
            raise NotData(
                f"source {self._endpoint.name}: expected columns {', '.join(first.column_names)[:200]} from "
                f"{document.where}, as in the first document, found {', '.join(rows.column_names)[:200]}",
                document.content,
                document.suffix,
            )

    def _has_the_columns(self, rows: pa.Table, first: pa.Table) -> bool:
        """Whether a page has every column of the first page. Files of different ages need to share columns only."""
        found, expected = set(rows.column_names), set(first.column_names)
        return bool(found & expected) if isinstance(self._endpoint, FilesEndpoint) else expected <= found

    @property
    def _suffix(self) -> str:
        return self._documents[0].suffix if len(self._documents) == 1 else "zip"

    def _content(self) -> bytes:
        """The bytes of a single document, or an archive of all; the same documents give the same archive."""
        if len(self._documents) == 1:
            return self._documents[0].content
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for number, document in enumerate(self._documents, 1):
                archive.writestr(zipfile.ZipInfo(f"{number:05}.{document.suffix}"), document.content)
        return packed.getvalue()
