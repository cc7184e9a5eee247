"""The section `sources:` of pipeline.yaml: sources over HTTP, of files, and in databases.

`${feed}` and the like stand for an address of `autopilot up`, `${env:NAME}` for an environment variable. Secrets belong
in environment variables.
"""

import codecs
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.config.section import Section

Format = Literal["csv", "json", "ndjson", "parquet"]


class Endpoint(Section):
    """Settings of every source: name, address, timeouts and retries, and limits for one batch."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Name of the source in incidents, journal and messages."
    )
    url: str = Field(description="Base address, with ${name} for an address of the stack and ${env:NAME} for a secret.")
    connect_seconds: float = Field(default=2.0, gt=0, description="Limit for each connect.")
    timeout_seconds: float = Field(default=2.0, gt=0, description="Limit for each wait for bytes or a query's answer.")
    attempts: int = Field(default=3, ge=1, le=10, description="Attempts of one request before the next source is used.")
    patience_seconds: float = Field(
        default=4.0,
        gt=0,
        description="No further attempt of a request begins after this time; two that get no answer use it up.",
    )
    batch_seconds: float = Field(
        default=60.0, gt=0, description="Limit for one whole batch: all its pages, attempts and waits."
    )
    batch_bytes_max: int = Field(default=256 << 20, ge=1, description="A batch with more bytes, unpacked, is refused.")
    batch_rows_max: int = Field(default=5_000_000, ge=1, description="A batch with more rows is refused.")
    field_bytes_max: int = Field(default=65_536, ge=1, description="A batch with a longer value is refused.")


class Paging(Section):
    """How one page of a batch leads to the next.

    `link` follows the header `Link: <…>; rel="next"` (RFC 8288). `next` follows the address in a field of the JSON
    body. `cursor` sends a field of the body back as a parameter. All three end where there is none. `page` increments a
    parameter, and ends at the first page without rows or with fewer than `size`.
    """

    by: Literal["link", "next", "page", "cursor"] = Field(default="link", description="Which of the four ways.")
    field: str | None = Field(
        default=None, description="Dotted path of the address or the cursor in the JSON body; for next and cursor."
    )
    parameter: str = Field(default="page", description="Query parameter that carries the page or the cursor.")
    first: int = Field(default=1, ge=0, description="Number of the first page.")
    size: int | None = Field(
        default=None, ge=1, description="Number of rows of a full page; sent where size_parameter is set."
    )
    size_parameter: str | None = Field(default=None, description="Query parameter that requests `size` rows.")
    pages_max: int = Field(default=10_000, ge=1, description="A batch with more pages is refused.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.by in ("next", "cursor") and self.field is None:
            raise ValueError(f"paging by {self.by} needs field: the path of the {self.by} in the body")
        if self.size_parameter is not None and self.size is None:
            raise ValueError("paging has size_parameter and no size to send; set size")
        return self


class HttpEndpoint(Endpoint):
    """A source over HTTP; a batch is one document or several pages."""

    kind: Literal["http"] = Field(description="Over HTTP.")
    days: str | None = Field(default=None, description="Path that answers {first, last}: the days it can serve.")
    tables: dict[str, str] = Field(
        default_factory=dict, description="Path by table, where it differs from the table's own path."
    )
    format: Format | None = Field(
        default=None, description="Format of the documents; without it the path's extension, else the content type."
    )
    records: str | None = Field(
        default=None, description="Dotted path of the rows, where a JSON body is an object and not an array."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers of every request; values may contain ${env:NAME}."
    )
    paging: Paging = Field(default=Paging(), description="How one page leads to the next.")

    @model_validator(mode="after")
    def _has_a_day_in_every_path(self) -> Self:
        for path in self.tables.values():
            check_path(path)
        return self


class FilesEndpoint(Endpoint):
    """Files below a directory or bucket that fsspec can open; a batch is every file that the day's pattern matches."""

    kind: Literal["files"] = Field(description="Files that fsspec can open.")
    tables: dict[str, str] = Field(
        default_factory=dict,
        description="Pattern by table, with * and {day}, where it differs from the table's path. Files of a pattern "
        "without {day} hold many days, which are separated by the table's event_time.",
    )
    format: Format | None = Field(default=None, description="Format of the files; without it the file's extension.")
    records: str | None = Field(
        default=None, description="Dotted path of the rows, where a JSON file is an object and not an array."
    )
    encoding: str | None = Field(
        default=None, description="Encoding of the text where it is not UTF-8, such as cp1252; UTF-16 is recognised."
    )
    options: dict[str, str | bool | int] = Field(
        default_factory=dict,
        description="Arguments of the file system (key, secret, …); texts may contain ${env:NAME}.",
    )

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            try:
                codecs.lookup(encoding)
            except LookupError as exc:
                raise ValueError(f"expected an encoding that Python knows, such as cp1252, found {encoding!r}") from exc
        return encoding

    @model_validator(mode="after")
    def _has_valid_patterns(self) -> Self:
        for path in self.tables.values():
            check_path(path, day_needed=False)
        return self


class Relation(Section):
    """Where a database stores a table of the pipeline, and in which order its rows are read."""

    table: str | None = Field(
        default=None, description="Table or view, also as `schema.name`; without it the pipeline's name of the table."
    )
    query: str | None = Field(default=None, description="A SELECT with :since and :until, instead of a table.")
    time: str | None = Field(
        default=None, description="Column with the time that decides a row's day; without it the table's event_time."
    )
    keyset: tuple[str, ...] = Field(
        default=(), description="Columns that identify a row, in reading order; without it the table's key."
    )

    @model_validator(mode="after")
    def _reads_either_table_or_query(self) -> Self:
        if self.query is None:
            return self
        if self.table is not None:
            raise ValueError("expected table or query, found both")
        for bound in (":since", ":until"):
            if bound not in self.query:
                raise ValueError(f"query lacks {bound}: a day is selected from :since until :until")
        return self


class SqlEndpoint(Endpoint):
    """Tables or queries of a database that SQLAlchemy knows, read in pages by key."""

    kind: Literal["sql"] = Field(description="A database that SQLAlchemy knows.")
    tables: dict[str, Relation] = Field(
        default_factory=dict, description="Table or query of the database, by table of the pipeline."
    )
    page_rows: int = Field(default=5_000, ge=1, description="Rows per query; they are held besides the batch itself.")


Source = Annotated[HttpEndpoint | FilesEndpoint | SqlEndpoint, Field(discriminator="kind")]


def check_path(path: str, *, day_needed: bool = True) -> None:
    """ValueError unless the only placeholders are the day and the table, and the day is there where it is needed."""
    if day_needed and not names_a_day(path):
        raise ValueError(f"path {path!r} lacks {{day}}: every batch is one day")
    try:
        path_of(path, "table", date(2013, 3, 1))
    except (KeyError, IndexError, ValueError) as exc:
        raise ValueError(
            f"path {path!r}: expected {{day}}, {{day:%Y/%m/%d}} or {{table}} in braces, found {exc}"
        ) from exc


def names_a_day(path: str) -> bool:
    """Whether a file of this pattern holds one day; otherwise it holds many."""
    return "{day" in path


def path_of(path: str, table: str, day: date) -> str:
    """The path of one day of one table."""
    return path.format(day=day, table=table)
