"""Sources of batches: one day of one table as bytes and rows, or SourceUnavailable.

Retries live here and nowhere above: a source is asked a few times within its patience, then the caller asks the next.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpx
import stamina
from pydantic import BaseModel, ConfigDict, ValidationError

from healing.errors import ConfigError, SourceUnavailable
from tasks.pipeline import Pipeline, Source, Table

if TYPE_CHECKING:
    import pandas as pd

_CONNECTIONS_MAX = 4  # enough to hide the network in a backfill, few enough for a small source
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_MISSING = ["", "NA", "NaN", "null", "NULL"]


class NotServed(SourceUnavailable):
    """The source answers, and says that it does not have this. Asking again at once will not help."""


@dataclass(frozen=True)
class Batch:
    """One day of one table as its source sent it. `rows` holds text, None where a value is missing."""

    table: str
    day: date
    source: str
    content: bytes
    rows: "pd.DataFrame"

    @property
    def id(self) -> str:
        return batch_id(self.table, self.day)


class Days(BaseModel):
    """The days that a source can serve now, both included. `last` before `first` means none."""

    model_config = ConfigDict(frozen=True)

    first: date
    last: date


def batch_id(table: str, day: date) -> str:
    """How a batch is named everywhere: flights/2013-03-01."""
    return f"{table}/{day}"


class HttpSource:
    """A source over HTTP: one CSV file a table and day."""

    def __init__(self, source: Source, url: str) -> None:
        self.name = source.name
        self.answered = False  # it has, since this was made
        self._source = source
        self._client = httpx.Client(
            base_url=url,
            timeout=source.timeout_seconds,
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX),
            trust_env=False,  # a proxy of the host's environment must not decide where data come from
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def days(self) -> Days | None:
        """What it can serve, or None when the pipeline names no address for that. SourceUnavailable."""
        if self._source.days is None:
            return None
        answer = self._get(self._source.days)
        try:
            return Days.model_validate_json(answer.content)
        except ValidationError as exc:
            raise SourceUnavailable(
                f"source {self.name}: expected {{first, last}} at {self._source.days}, found {answer.text[:80]!r}"
            ) from exc

    def fetch(self, name: str, table: Table, days: Sequence[date]) -> Iterator[Batch]:
        """The batches of `days`, in order; SourceUnavailable at the first that it cannot give after all retries."""
        pool = ThreadPoolExecutor(_CONNECTIONS_MAX, thread_name_prefix=f"source-{self.name}")
        try:
            yield from pool.map(lambda day: self._batch(name, table, day), days)
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, name: str, table: Table, day: date) -> Batch:
        answer = self._get(table.path.format(day=day))
        return Batch(name, day, self.name, answer.content, _parse(self.name, answer))

    def _get(self, path: str) -> httpx.Response:
        patience = self._source.patience_seconds
        for attempt in stamina.retry_context(
            on=_may_pass,
            attempts=self._source.attempts,
            timeout=patience,
            wait_initial=0.1,
            wait_max=1.0,
            wait_jitter=0.1,
        ):
            with attempt:
                return self._get_once(path)
        raise AssertionError("unreachable: stamina returns or raises")  # pragma: no cover

    def _get_once(self, path: str) -> httpx.Response:
        try:
            answer = self._client.get(path)
        except httpx.HTTPError as exc:
            raise SourceUnavailable(
                f"source {self.name}: expected an answer from {self._client.base_url}{path} within "
                f"{self._source.timeout_seconds} s, found {type(exc).__name__} {exc}"
            ) from exc
        self.answered = True
        if answer.is_success:
            return answer
        found = f"source {self.name}: expected 200 from {path}, found {answer.status_code}: {answer.text[:120]}"
        raise (NotServed if answer.is_client_error else SourceUnavailable)(found)


class SourceChain:
    """The pipeline's sources in their order. One that failed after all its retries is not asked again by this chain."""

    def __init__(self, sources: Sequence[HttpSource]) -> None:
        self._sources = list(sources)
        self._down: dict[str, SourceUnavailable] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for source in self._sources:
            source.close()

    def up(self) -> list[HttpSource]:
        """Sources that may still be asked, best first."""
        return [source for source in self._sources if source.name not in self._down]

    def set_down(self, source: HttpSource, reason: SourceUnavailable) -> None:
        self._down[source.name] = reason

    def exhausted(self) -> SourceUnavailable:
        """The error for when no source is left: it says of each why."""
        reasons = "; ".join(str(reason) for reason in self._down.values())
        return SourceUnavailable(f"expected one of {len(self._sources)} sources to answer, found none: {reasons}")


def open_sources(pipeline: Pipeline, addresses: Mapping[str, str | None]) -> SourceChain:
    """The pipeline's sources at their addresses; ConfigError names an address that is not known."""
    return SourceChain([HttpSource(source, resolve_url(source, addresses)) for source in pipeline.sources])


def resolve_url(source: Source, addresses: Mapping[str, str | None]) -> str:
    """The source's address with each ${name} replaced; ConfigError names an address that is not known."""

    def address(match: re.Match[str]) -> str:
        found = addresses.get(match[1])
        if found is None:
            raise ConfigError(
                f"source {source.name}: expected an address for ${{{match[1]}}}, found none; start `autopilot up`, "
                f"or set AUTOPILOT_{match[1].upper()}_URL"
            )
        return found

    return _PLACEHOLDER.sub(address, source.url)


def _may_pass(error: Exception) -> bool:
    return isinstance(error, SourceUnavailable) and not isinstance(error, NotServed)


def _parse(source: str, answer: httpx.Response) -> "pd.DataFrame":
    """CSV as text columns. An error page with status 200 is no data, whatever it calls itself."""
    import pandas as pd

    kind = answer.headers.get("content-type", "")
    try:
        text = answer.content.decode("utf-8")
        if "html" in kind or text.lstrip()[:1] in ("<", "{"):
            text = ""  # pandas would make a column of it
        rows = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_values=_MISSING)
    except ValueError as exc:  # pandas' parser errors and decoding errors are ValueErrors
        raise SourceUnavailable(
            f"source {source}: expected CSV from {answer.url}, found {exc}; it begins {answer.content[:60]!r}"
        ) from exc
    if not isinstance(rows.index, pd.RangeIndex):  # pandas takes the first fields for an index
        raise SourceUnavailable(f"source {source}: expected CSV from {answer.url}, found rows longer than its header")
    return rows
