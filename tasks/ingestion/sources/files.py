"""A source of files on any file system that fsspec knows: a batch is every file that the day's pattern matches."""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import aiohttp
import pyarrow as pa

from healing.errors import ConfigError, NotData, NotServed, Oversized, SourceUnavailable, Truncated
from tasks.config.sources_section import FilesEndpoint, Format, path_of
from tasks.config.table import Table
from tasks.ingestion.sources import parquet_rows
from tasks.ingestion.sources.address import Lookup, without_secrets
from tasks.ingestion.sources.assembly import Assembly
from tasks.ingestion.sources.batch import Batch, ServedDays, complete_days
from tasks.ingestion.sources.csv_conversion import convert_csv
from tasks.ingestion.sources.day_pattern import any_day, day_in
from tasks.ingestion.sources.document import Document
from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort, TooLarge
from tasks.ingestion.sources.json_conversion import convert_json_lines
from tasks.ingestion.sources.parquet_days import OpenParquet
from tasks.ingestion.sources.retry import Deadline, Retrier
from tasks.ingestion.sources.unpacking import COMPRESSIONS, unpacked_reader

T = TypeVar("T")

_STEP_BYTES = 1 << 20
_PACKED_RATIO = 8  # unpacked to packed bytes of text, about
_STREAMED: Mapping[Format, tuple[str, ...]] = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv",),
    "ndjson": (".ndjson", ".jsonl"),
}


class FilesReader:
    """Reads batches from files below one address. `batch_pattern` is the one whose files show the served days.

    `folder` is where large CSV files are converted; by default the temporary folder.
    """

    def __init__(
        self,
        endpoint: FilesEndpoint,
        lookup: Lookup,
        retrier: Retrier,
        zone: ZoneInfo,
        batch_pattern: str,
        folder: Path | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._retrier = retrier
        self._zone = zone
        self._batch_pattern = batch_pattern
        url = lookup.fill(endpoint.name, endpoint.url)
        self._files, root = _file_system(endpoint, lookup, url)
        self._root = root.rstrip("/")
        self._address = without_secrets(url)
        self._opened = ExitStack()
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        self._converted: dict[tuple[str, int], Any] = {}  # by path and size

    def close(self) -> None:
        """Close the files that `open_large` opened."""
        self._opened.close()

    def days(self) -> ServedDays | None:
        """The first and last day that is over and has files; None when there is none yet."""
        deadline = self._retrier.deadline()
        pattern = any_day(self._batch_pattern).lstrip("/")
        paths = self._retrier.call(lambda: self._guard(lambda: self._files.glob(f"{self._root}/{pattern}")), deadline)
        found = [day_in(str(path).removeprefix(self._root), self._batch_pattern) for path in paths]
        known = sorted(day for day in found if day is not None)
        return complete_days(ServedDays(first=known[0], last=known[-1]), self._zone) if known else None

    def row_counts(self, name: str, table: Table) -> None:
        """None: each day is read by itself."""

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """The batch of one day: its files, in the order of their names; NotServed when there is none."""
        pattern = path_of(self._endpoint.tables.get(name, table.path), name, day)
        return self.assemble(pattern, deadline).batch(name, day)

    def assemble(self, pattern: str, deadline: Deadline) -> Assembly:
        """Every file that the pattern matches, in the order of their names; NotServed when there is none."""
        assembly = Assembly(self._endpoint)
        for path in self._retrier.call(partial(self._matching, pattern.lstrip("/")), deadline):
            once = partial(self._document, path, assembly.bytes_left, deadline)
            assembly.add(*self._retrier.call(once, deadline))
        return assembly

    def open_large(self, pattern: str, bytes_min: int, deadline: Deadline) -> list[OpenParquet] | None:
        """The files that the pattern matches, opened as Parquet; None below `bytes_min` bytes together.

        CSV and JSON lines are converted to Parquet first, compressed or not. None also for other formats, and unless
        all files have the same one. They stay open until `close`. NotServed when there is none, NotData when one is
        not in its format.
        """
        paths = self._retrier.call(partial(self._matching, pattern.lstrip("/")), deadline)
        found = {self._format_of(path) for path in paths}
        sizes = self._guard(lambda: [int(self._files.info(path)["size"] or 0) for path in paths])
        unpacked = sum(map(unpacked_size, paths, sizes))
        kind = next(iter(found))
        if len(found) > 1 or kind is None or unpacked < bytes_min:
            return None
        open_one = self._open if kind == "parquet" else partial(self._convert, kind)
        return [
            self._retrier.call(partial(open_one, path, size), self._retrier.deadline())
            for path, size in zip(paths, sizes, strict=True)
        ]

    def _format_of(self, path: str) -> Format | None:
        """The format of a file that can be read in pieces; None for another."""
        kind = self._endpoint.format or streamed_format(path)
        return None if kind not in _STREAMED or (kind == "parquet" and is_compressed(path)) else kind

    def _convert(self, kind: Format, path: str, size: int) -> OpenParquet:
        """A text as Parquet in a file without a name. It is converted once, also for several tables."""
        if (path, size) not in self._converted:
            convert, name = (convert_csv, "CSV") if kind == "csv" else (convert_json_lines, "one JSON object per line")
            try:
                with self._guard(lambda: self._files.open(path, "rb")) as file:
                    read = unpacked_reader(partial(self._read_step, file), path)
                    converted = convert(read, self._folder, self._endpoint.encoding)
            except BrokenDocument as exc:
                error = Truncated if isinstance(exc, CutShort) else Oversized if isinstance(exc, TooLarge) else NotData
                raise error(f"source {self._endpoint.name}: expected {name} in {path}, found {exc}") from exc
            self._opened.callback(converted.close)
            self._converted[path, size] = converted.parquet
        return OpenParquet(self._converted[path, size], self._guard)

    def _read_step(self, file: Any, size: int) -> bytes:
        found: bytes = self._guard(lambda: file.read(size))
        return found

    def _open(self, path: str, size: int) -> OpenParquet:
        file = self._guard(lambda: self._files.open(path, "rb"))
        self._opened.callback(file.close)

        def read(call: Callable[[], pa.Table]) -> pa.Table:
            """What `call` returns, if the file has not changed since it was opened."""
            try:
                rows = self._guard(call)
            except pa.ArrowException as exc:
                raise NotData(f"source {self._endpoint.name}: cannot read {path}: {str(exc)[:160]}") from exc
            self._files.invalidate_cache()
            found = self._guard(lambda: self._files.info(path)["size"])
            if found != size:
                raise Truncated(f"source {self._endpoint.name}: expected {size} bytes in {path}, found {found}")
            return rows

        try:
            return OpenParquet(parquet_rows.open_file(file), read)
        except BrokenDocument as exc:
            raise NotData(f"source {self._endpoint.name}: expected Parquet in {path}, found {exc}") from exc

    def _matching(self, pattern: str) -> list[str]:
        paths = sorted(self._guard(lambda: self._files.glob(f"{self._root}/{pattern}")))
        if not paths:
            raise NotServed(f"source {self._endpoint.name}: expected files {self._address}/{pattern}, found none")
        return paths

    def _document(self, path: str, bytes_max: int, deadline: Deadline) -> tuple[Document, pa.Table]:
        document = Document(
            endpoint=self._endpoint,
            where=f"{self._address}{path.removeprefix(self._root)}",
            path=path,
            content=self._guard(lambda: self._content(path, bytes_max, deadline)),
            format=self._endpoint.format,
            records=self._endpoint.records,
            encoding=self._endpoint.encoding,
        )
        return document, document.rows()

    def _content(self, path: str, bytes_max: int, deadline: Deadline) -> bytes:
        """The bytes of a file; Truncated when its size changes meanwhile, as while it is being written."""
        size = self._files.info(path)["size"]
        if size is not None and size > bytes_max:
            raise Oversized(
                f"source {self._endpoint.name}: expected at most {bytes_max} bytes in {path}, found {size}; "
                "raise batch_bytes_max if a batch is that large"
            )
        content = bytearray()
        with self._files.open(path, "rb") as file:
            while (piece := file.read(_STEP_BYTES)) and len(content) <= bytes_max:
                content += piece
                deadline.check()
        self._files.invalidate_cache()  # a file system may cache its listings
        if size is not None and not len(content) == size == self._files.info(path)["size"]:
            raise Truncated(f"source {self._endpoint.name}: expected {size} bytes in {path}, found {len(content)}")
        return bytes(content)

    def _guard(self, call: Callable[[], T]) -> T:
        """What `call` returns; an error of the file system becomes one of the source."""
        try:
            return call()
        except (OSError, aiohttp.ClientError) as exc:
            raise SourceUnavailable(
                f"source {self._endpoint.name}: expected to read files below {self._address}, "
                f"found {type(exc).__name__} {str(exc)[:160]}"
            ) from exc


def is_compressed(path: str) -> bool:
    """Whether the file is unpacked before it is read."""
    return path.lower().endswith(tuple(COMPRESSIONS))


def unpacked_size(path: str, size: int) -> int:
    """About the bytes of a file's content, where the file has `size` bytes."""
    return size * _PACKED_RATIO if is_compressed(path) else size


def streamed_format(path: str) -> Format | None:
    """The format by the extensions of a file, if files of that format can be read in pieces."""
    name = path.lower()
    plain = name.rpartition(".")[0] if is_compressed(name) else name
    return next((kind for kind, suffixes in _STREAMED.items() if plain.endswith(suffixes)), None)


def _file_system(endpoint: FilesEndpoint, lookup: Lookup, url: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    import fsspec

    options = {
        name: lookup.fill(endpoint.name, value) if isinstance(value, str) else value
        for name, value in endpoint.options.items()
    }
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url, **options)
    except (ImportError, ValueError) as exc:
        raise ConfigError(f"source {endpoint.name}: expected an address that fsspec can open, found {exc}") from exc
    return found
