"""A source over HTTP: a batch is one document, or the pages of one."""

from datetime import date

import httpx
import pyarrow as pa
from pydantic import ValidationError

from healing.errors import Looping, NotData
from tasks.config.sources_section import HttpEndpoint, path_of
from tasks.config.table import Table
from tasks.ingestion.sources.address import Lookup, without_secrets
from tasks.ingestion.sources.assembly import Assembly
from tasks.ingestion.sources.batch import Batch, ServedDays
from tasks.ingestion.sources.client import Client, HttpBody
from tasks.ingestion.sources.document import Document
from tasks.ingestion.sources.document_errors import BrokenDocument
from tasks.ingestion.sources.pages import first_page, next_page
from tasks.ingestion.sources.retry import Deadline, Retrier

_DAYS_BYTES_MAX = 65_536


class HttpReader:
    """Reads batches from one HTTP endpoint, page by page where it has pages."""

    def __init__(self, endpoint: HttpEndpoint, lookup: Lookup, retrier: Retrier) -> None:
        self._endpoint = endpoint
        self._retrier = retrier
        self._client = Client(endpoint, lookup)

    def close(self) -> None:
        self._client.close()

    def days(self) -> ServedDays | None:
        """The days that it can serve, or None when the pipeline names no path for that."""
        path = self._endpoint.days
        if path is None:
            return None
        deadline = self._retrier.deadline()

        def once() -> ServedDays:
            body = self._client.get(httpx.URL(path), deadline, _DAYS_BYTES_MAX)
            try:
                return ServedDays.model_validate_json(body.content)
            except ValidationError as exc:
                raise NotData(
                    f"source {self._endpoint.name}: expected {{first, last}} at {path}, found {body.content[:80]!r}"
                ) from exc

        return self._retrier.call(once, deadline)

    def row_counts(self, name: str, table: Table) -> None:
        """None: each day is read by itself."""

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """The batch of one day, from its first page to its last."""
        pages = Assembly(self._endpoint)
        path = path_of(self._endpoint.tables.get(name, table.path), name, day)
        following: httpx.URL | None = first_page(path, self._endpoint.paging)
        requested: set[str] = set()
        while following is not None:
            self._check_progress(following, requested)
            body, document, rows = self._page(following, deadline, pages.bytes_left)
            pages.add(document, rows)
            following = self._next(body, rows.num_rows)
        return pages.batch(name, day)

    def _page(self, url: httpx.URL, deadline: Deadline, bytes_max: int) -> tuple[HttpBody, Document, pa.Table]:
        def once() -> tuple[HttpBody, Document, pa.Table]:
            body = self._client.get(url, deadline, bytes_max)
            document = Document(
                endpoint=self._endpoint,
                where=without_secrets(str(body.requested)),
                path=body.requested.path,
                content=body.content,
                format=self._endpoint.format,
                content_type=body.content_type,
                records=self._endpoint.records,
                has_length=body.has_length,
            )
            return body, document, document.rows()

        return self._retrier.call(once, deadline)

    def _check_progress(self, url: httpx.URL, requested: set[str]) -> None:
        """Looping when this page was requested before, or when a batch has too many pages."""
        if str(url) in requested or len(requested) >= self._endpoint.paging.pages_max:
            raise Looping(
                f"source {self._endpoint.name}: expected the end of the batch or a new page after {len(requested)} "
                f"pages, found {without_secrets(str(url))}; see `paging` in pipeline.yaml"
            )
        requested.add(str(url))

    def _next(self, body: HttpBody, rows: int) -> httpx.URL | None:
        try:
            return next_page(body, rows, self._endpoint.paging)
        except BrokenDocument as exc:
            raise NotData(
                f"source {self._endpoint.name}: expected the address of the next page in "
                f"{without_secrets(str(body.requested))}, found {exc}",
                body.content,
            ) from exc
