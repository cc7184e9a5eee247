"""What `pipeline.yaml` may say of a source: over HTTP, as files, or in a database.

`${feed}` and the like stand for an address of `autopilot up`; `${env:NAME}` for a variable of the environment, which is
where a secret belongs.
"""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.config.section import Section

Format = Literal["csv", "json", "ndjson", "parquet"]


class Endpoint(Section):
    """What every source has: a name, an address, how patiently it is asked, and how much of it is taken at once."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    url: str = Field(description="Base address, with ${name} for an address of the stack and ${env:NAME} for a secret.")
    connect_seconds: float = Field(default=2.0, gt=0, description="For each connect.")
    timeout_seconds: float = Field(default=2.0, gt=0, description="For each wait for bytes, or for a query's answer.")
    attempts: int = Field(default=3, ge=1, le=10, description="Tries before the next source is asked.")
    patience_seconds: float = Field(default=6.0, gt=0, description="All tries of one request together, with waits.")
    batch_seconds: float = Field(default=60.0, gt=0, description="One whole batch: all its pages, tries and waits.")
    batch_bytes_max: int = Field(default=256 << 20, ge=1, description="A larger batch, unpacked, is refused.")
    batch_rows_max: int = Field(default=5_000_000, ge=1, description="A batch with more rows is refused.")
    field_bytes_max: int = Field(default=65_536, ge=1, description="A batch with a longer value is refused.")


class Paging(Section):
    """How one page of a batch leads to the next.

    `link` follows the header `Link: <…>; rel="next"` (RFC 8288), `next` a field of the JSON body that holds the next
    address, `cursor` sends back a field of the body as a parameter; all three end where there is none. `page` counts a
    parameter up and ends at the first page without rows, or with fewer than `size`.
    """

    by: Literal["link", "next", "page", "cursor"] = "link"
    field: str | None = Field(default=None, description="Dotted path into the JSON body: of the address or the cursor.")
    parameter: str = Field(default="page", description="Query parameter that carries the page or the cursor.")
    first: int = Field(default=1, ge=0, description="Number of the first page.")
    size: int | None = Field(default=None, ge=1, description="Rows of a full page; sent where size_parameter is set.")
    size_parameter: str | None = Field(default=None, description="Query parameter that asks for `size` rows.")
    pages_max: int = Field(default=10_000, ge=1, description="A batch of more pages never ends, as far as we know.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.by in ("next", "cursor") and self.field is None:
            raise ValueError(f"paging by {self.by} needs field: where in the body the {self.by} stands")
        if self.size_parameter is not None and self.size is None:
            raise ValueError("paging has size_parameter and no size to send")
        return self


class HttpEndpoint(Endpoint):
    """A source over HTTP; a batch is one document or several pages of them."""

    kind: Literal["http"]
    days: str | None = Field(default=None, description="Path that answers {first, last}: the days it can serve.")
    tables: dict[str, str] = Field(default_factory=dict, description="Path by table, where it is not the table's own.")
    format: Format | None = Field(default=None, description="By the path's extension, else content-type, when unset.")
    records: str | None = Field(default=None, description="Dotted path of the rows in a JSON body that is an object.")
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with each request; values take ${env:X}.")
    paging: Paging = Paging()

    @model_validator(mode="after")
    def _has_a_path_a_day(self) -> Self:
        for path in self.tables.values():
            check_path(path)
        return self


class FilesEndpoint(Endpoint):
    """Files below a directory or bucket that fsspec can open; a batch is every file that the day's pattern matches."""

    kind: Literal["files"]
    tables: dict[str, str] = Field(
        default_factory=dict,
        description="Pattern by table, with * and {day}, where it is not the table's path. Without {day} the files "
        "hold many days, which the table's event_time tells apart.",
    )
    format: Format | None = Field(default=None, description="By the file's extension when unset.")
    records: str | None = Field(default=None, description="Dotted path of the rows in a JSON file that is an object.")
    options: dict[str, str | bool | int] = Field(
        default_factory=dict, description="For the file system (key, secret, …); texts take ${env:X}."
    )

    @model_validator(mode="after")
    def _has_patterns_that_can_be_filled(self) -> Self:
        for path in self.tables.values():
            check_path(path, day_needed=False)
        return self


class Relation(Section):
    """Where a database keeps a table of the pipeline, and in which order its rows are read."""

    table: str | None = Field(
        default=None, description="Table or view, `schema.name` too; the pipeline's name if unset."
    )
    query: str | None = Field(default=None, description="Instead of a table: a SELECT with :since and :until.")
    time: str | None = Field(
        default=None, description="Column that says the row's day; the table's event_time if unset."
    )
    keyset: tuple[str, ...] = Field(
        default=(), description="Columns that name a row, in reading order; the key if unset."
    )

    @model_validator(mode="after")
    def _reads_one_thing(self) -> Self:
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

    kind: Literal["sql"]
    tables: dict[str, Relation] = Field(default_factory=dict, description="Where each table of the pipeline is.")
    page_rows: int = Field(default=5_000, ge=1, description="Rows a query: what is held besides the batch itself.")


Source = Annotated[HttpEndpoint | FilesEndpoint | SqlEndpoint, Field(discriminator="kind")]


def check_path(path: str, *, day_needed: bool = True) -> None:
    """ValueError unless the path has a place for the day, where one is needed, and no other."""
    if day_needed and not names_a_day(path):
        raise ValueError(f"path {path!r} lacks {{day}}: every batch is one day")
    try:
        path_of(path, "table", date(2013, 3, 1))
    except (KeyError, IndexError, ValueError) as exc:
        raise ValueError(
            f"path {path!r}: expected {{day}}, {{day:%Y/%m/%d}} or {{table}} in braces, found {exc}"
        ) from exc


def names_a_day(path: str) -> bool:
    """Whether a file of this pattern holds one day; else it holds many."""
    return "{day" in path


def path_of(path: str, table: str, day: date) -> str:
    """The path of one day of one table."""
    return path.format(day=day, table=table)
