"""A source over HTTP: a batch is a document, or the pages of one."""

from datetime import date

import httpx
import pyarrow as pa
from pydantic import ValidationError

from healing.errors import Looping, NotData
from tasks.config.pipeline import Table
from tasks.config.sources_section import HttpEndpoint, path_of
from tasks.ingestion.sources.address import Lookup, shown
from tasks.ingestion.sources.assembly import Assembly
from tasks.ingestion.sources.batch import Batch, Days
from tasks.ingestion.sources.client import Answer, Client
from tasks.ingestion.sources.document import Document
from tasks.ingestion.sources.document_errors import Broken
from tasks.ingestion.sources.pages import first_page, next_page
from tasks.ingestion.sources.retry import Deadline, Patience

_DAYS_BYTES_MAX = 65_536


class HttpReader:
    """Reads batches from one HTTP endpoint, page by page where it has pages."""

    def __init__(self, endpoint: HttpEndpoint, lookup: Lookup, patience: Patience) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._client = Client(endpoint, lookup)

    def close(self) -> None:
        self._client.close()

    def days(self) -> Days | None:
        """What it can serve, or None when the pipeline names no address for that."""
        path = self._endpoint.days
        if path is None:
            return None
        deadline = self._patience.deadline()

        def once() -> Days:
            answer = self._client.get(httpx.URL(path), deadline, _DAYS_BYTES_MAX)
            try:
                return Days.model_validate_json(answer.content)
            except ValidationError as exc:
                raise NotData(
                    f"source {self._endpoint.name}: expected {{first, last}} at {path}, found {answer.content[:80]!r}"
                ) from exc

        return self._patience.ask(once, deadline)

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """The batch of one day, from its first page until there is no next one."""
        pages = Assembly(self._endpoint)
        path = path_of(self._endpoint.tables.get(name, table.path), name, day)
        following: httpx.URL | None = first_page(path, self._endpoint.paging)
        asked: set[str] = set()
        while following is not None:
            self._check_progress(following, asked)
            answer, document, rows = self._page(following, deadline, pages.bytes_left)
            pages.add(document, rows)
            following = self._next(answer, rows.num_rows)
        return pages.batch(name, day)

    def _page(self, url: httpx.URL, deadline: Deadline, bytes_max: int) -> tuple[Answer, Document, pa.Table]:
        def once() -> tuple[Answer, Document, pa.Table]:
            answer = self._client.get(url, deadline, bytes_max)
            document = Document(
                endpoint=self._endpoint,
                where=shown(str(answer.asked)),
                path=answer.asked.path,
                content=answer.content,
                format=self._endpoint.format,
                content_type=answer.content_type,
                records=self._endpoint.records,
                measured=answer.measured,
            )
            return answer, document, document.rows()

        return self._patience.ask(once, deadline)

    def _check_progress(self, url: httpx.URL, asked: set[str]) -> None:
        """Looping when this page was asked before, or after more pages than a batch may have."""
        if str(url) in asked or len(asked) >= self._endpoint.paging.pages_max:
            raise Looping(
                f"source {self._endpoint.name}: expected the end of the batch or a new page after {len(asked)} pages, "
                f"found {shown(str(url))}; see `paging` in pipeline.yaml"
            )
        asked.add(str(url))

    def _next(self, answer: Answer, rows: int) -> httpx.URL | None:
        try:
            return next_page(answer, rows, self._endpoint.paging)
        except Broken as exc:
            raise NotData(
                f"source {self._endpoint.name}: expected the way to the next page in {shown(str(answer.asked))}, "
                f"found {exc}",
                answer.content,
            ) from exc
