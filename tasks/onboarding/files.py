"""The user's data file, read as ingestion reads it, and the pipeline's folder, written atomically."""

import codecs
import shutil
import string
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from healing.errors import SourceUnavailable, UsageError
from releases.files import sync_directory, write_atomically
from tasks.config.sources_section import FilesEndpoint
from tasks.config.table import ColumnType
from tasks.ingestion.sources import csv_rows, parquet_rows
from tasks.ingestion.sources.csv_conversion import convert_csv
from tasks.ingestion.sources.document import Document
from tasks.ingestion.sources.document_errors import BrokenDocument
from tasks.ingestion.sources.files import is_compressed, streamed_format, unpacked_size
from tasks.ingestion.sources.json_conversion import convert_json_lines
from tasks.ingestion.sources.unpacking import unpack, unpacked_reader
from tasks.ingestion.sources.whole_files import STREAMED_BYTES_MIN

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_STEP_BYTES = 4 << 20
_PIECE_ROWS = 1 << 18
_WESTERN_SHARE_MAX = 0.3  # of letters that are not ASCII, in western languages; more are another alphabet


@dataclass(frozen=True)
class FileRows:
    """All rows of a file. `read` gives one column as text, null where a value is missing.

    Where the file is on disk, `read_pieces` gives some rows at a time, and `read_at` the rows at ascending positions.
    As data frames all columns together would take four times the memory of their text, so one exists at a time.
    `declared` is the type by column that a Parquet file declares, `separator` what separates the fields of a CSV,
    and `encoding` the guessed encoding of a text that is not UTF-8.
    """

    names: Sequence[str]
    count: int
    read: Callable[[str], pa.ChunkedArray]
    declared: Mapping[str, ColumnType] = field(default_factory=dict)
    separator: str | None = None
    encoding: str | None = None
    encoding_why: str = ""
    read_pieces: Callable[[str], Iterator[pa.ChunkedArray]] | None = None
    read_at: "Callable[[str, NDArray[np.int64]], pa.ChunkedArray] | None" = None

    def __len__(self) -> int:
        return self.count

    def pieces(self, name: str) -> Iterator[pa.ChunkedArray]:
        """One column, some rows at a time."""
        if self.read_pieces is not None:
            yield from self.read_pieces(name)
            return
        column = self.read(name)
        for start in range(0, len(column), _PIECE_ROWS):
            yield column.slice(start, _PIECE_ROWS)

    def sample(self, positions: "NDArray[np.int64]") -> "FileRows":
        """The rows at these ascending positions; each column is read when it is asked for."""
        read_at = self.read_at

        def read(name: str) -> pa.ChunkedArray:
            return self.read(name).take(pa.array(positions)) if read_at is None else read_at(name, positions)

        return replace(self, count=len(positions), read=read, read_pieces=None, read_at=None)

    def frame(self) -> "pd.DataFrame":
        """All columns of all rows as text."""
        rows: pd.DataFrame = pa.table({name: self.read(name) for name in self.names}).to_pandas()
        return rows

    def column(self, name: str) -> "pd.Series[str]":
        """One column, None where a value is missing."""
        values: pd.Series[str] = self.read(name).to_pandas()
        return values.rename(name)

    def take(self, positions: "pd.Index[int]") -> "pd.DataFrame":
        """The rows at these positions, in their order; the index holds the positions."""
        wanted = pa.array(positions.to_numpy())
        rows: pd.DataFrame = pa.table({name: self.read(name).take(wanted) for name in self.names}).to_pandas()
        return rows.set_axis(positions, axis="index")


def read_rows(path: Path, streamed_bytes_min: int = STREAMED_BYTES_MIN, folder: Path | None = None) -> FileRows:
    """All rows of a CSV, JSON or Parquet file, compressed or not.

    A large Parquet file, CSV file or file of JSON lines stays on disk; texts are converted to Parquet in `folder`, by
    default the temporary folder.
    UsageError if the file cannot be read.
    """
    if not path.is_file():
        found = "a directory" if path.is_dir() else "no file"
        raise UsageError(f"expected a CSV, JSON or Parquet file at {path}, found {found}")
    kind = streamed_format(path.name)
    if unpacked_size(path.name, path.stat().st_size) >= streamed_bytes_min:
        match kind:
            case "parquet" if not is_compressed(path.name):
                return _large_parquet(path)
            case "csv" | "ndjson":
                return _large_text(kind, path, Path(tempfile.gettempdir()) if folder is None else folder)
    endpoint = FilesEndpoint(name="file", kind="files", url=str(path.parent))
    content = path.read_bytes()
    encoding, why = _guess_encoding(content, path, endpoint.batch_bytes_max)
    try:
        rows = Document(endpoint, str(path), path.name, content, encoding=encoding).rows()
    except SourceUnavailable as exc:
        cause = str(exc).removeprefix(f"source {endpoint.name}: ")
        raise UsageError(f"{cause}; a pipeline could not read this file") from exc
    if not rows.num_rows:
        raise UsageError(f"{path}: expected rows, found only the header {', '.join(rows.column_names)[:120]}")
    declared, separator = parquet_rows.declared_types(rows), csv_rows.separator_of(rows)
    return FileRows(rows.column_names, rows.num_rows, rows.column, declared, separator, encoding, why)


def _large_parquet(path: Path) -> FileRows:
    """The rows of a Parquet file, each column read from the disk when it is asked for."""
    try:
        file = parquet_rows.open_file(path)
        declared = parquet_rows.declared_types(parquet_rows.as_text(file.schema_arrow.empty_table()))
    except BrokenDocument as exc:
        raise UsageError(f"expected Parquet in {path}, found {exc}; a pipeline could not read this file") from exc
    return replace(_columns_on_disk(file, path), declared=declared)


def _large_text(kind: Literal["csv", "ndjson"], path: Path, folder: Path) -> FileRows:
    """The rows of a CSV file or of JSON lines, converted to Parquet first."""
    convert, name = (convert_csv, "CSV") if kind == "csv" else (convert_json_lines, "one JSON object per line")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        encoding, why = _encoding_of_large(path)
        with path.open("rb") as source:
            converted = convert(unpacked_reader(source.read, path.name), folder, encoding)
    except BrokenDocument as exc:
        raise UsageError(f"expected {name} in {path}, found {exc}; a pipeline could not read this file") from exc
    rows = _columns_on_disk(converted.parquet, path)
    return replace(rows, separator=converted.separator or None, encoding=encoding, encoding_why=why)


def _columns_on_disk(file: Any, path: Path) -> FileRows:
    """The rows of an open Parquet file. `path` is shown in messages."""
    names, count = list(file.schema_arrow.names), int(file.metadata.num_rows)
    if not count:
        raise UsageError(f"{path}: expected rows, found only the header {', '.join(names)[:120]}")

    def read(name: str) -> pa.ChunkedArray:
        try:
            return parquet_rows.as_text(file.read(columns=[name], use_threads=False)).column(0)
        except (pa.ArrowException, OSError, BrokenDocument) as exc:
            raise UsageError(f"expected to read column {name!r} of {path}, found {str(exc)[:160]}") from exc

    def read_batches(name: str) -> Iterator[pa.Table]:
        try:
            for batch in file.iter_batches(_PIECE_ROWS, columns=[name], use_threads=False):
                yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as exc:
            raise UsageError(f"expected to read column {name!r} of {path}, found {str(exc)[:160]}") from exc

    def read_pieces(name: str) -> Iterator[pa.ChunkedArray]:
        yield from (parquet_rows.as_text(rows).column(0) for rows in read_batches(name))

    def read_at(name: str, positions: "NDArray[np.int64]") -> pa.ChunkedArray:
        import numpy as np

        chosen, start = [], 0
        for rows in read_batches(name):
            low, high = np.searchsorted(positions, [start, start + rows.num_rows])
            chosen.append(parquet_rows.as_text(rows.take(pa.array(positions[low:high] - start))).column(0))
            start += rows.num_rows
        return pa.chunked_array([chunk for each in chosen for chunk in each.chunks], pa.string())

    return FileRows(names, count, read, read_pieces=read_pieces, read_at=read_at)


def _encoding_of_large(path: Path) -> tuple[str | None, str]:
    """The encoding of a large text and the reason, as `_guess_encoding`, from the first bytes that are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as source:
        read = unpacked_reader(source.read, path.name)
        while step := read(_STEP_BYTES):
            if step.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return None, ""
            try:
                decoder.decode(step)
            except UnicodeDecodeError:
                return _guess_encoding(step, Path(path.stem), len(step))
    return None, ""


def _guess_encoding(content: bytes, path: Path, bytes_max: int) -> tuple[str | None, str]:
    """Windows-1252 for a western text that is not UTF-8, and the reason; else None."""
    try:
        content = unpack(content, path.name, bytes_max)
        if content.startswith((b"PAR1", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
            return None, ""
        content.decode("utf-8")
    except BrokenDocument:
        return None, ""  # reading it reports what is wrong
    except UnicodeDecodeError as exc:
        other = len(content.translate(None, bytes(range(128))))
        ascii_letters = len(content) - len(content.translate(None, string.ascii_letters.encode()))
        try:
            line = content.decode("cp1252")[: exc.start + 20]
        except UnicodeDecodeError:
            return None, ""
        if other <= _WESTERN_SHARE_MAX * (ascii_letters + other):
            example = " ".join(line[max(0, exc.start - 12) :].split())
            return "cp1252", f"the file is not UTF-8; check that {example!r} is right, or change `encoding`"
    return None, ""


def check_free(name: str, pipelines_dir: Path) -> None:
    """Raise UsageError if the folder of that name exists."""
    folder = pipelines_dir / name
    if folder.exists():
        raise UsageError(
            f"{folder} exists already; nothing was written: choose another name, or move that folder away first"
        )


def write_folder(name: str, pipelines_dir: Path, files: dict[str, str], check: Callable[[Path], None]) -> Path:
    """Write the folder `name` with `files` in one step, after `check` has accepted a temporary copy of it.

    `check` gets the directory that contains the copy; an exception from it is passed on and nothing is written. If
    another process creates the same folder meanwhile, that one is kept.
    """
    check_free(name, pipelines_dir)
    pipelines_dir.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=pipelines_dir))
    try:
        (temporary / name).mkdir()
        for file, text in files.items():
            write_atomically(temporary / name / file, text.encode())
        check(temporary)
        shutil.rmtree(temporary / name / "__pycache__", ignore_errors=True)  # loading the pipeline compiled it
        try:
            (temporary / name).rename(pipelines_dir / name)  # fails if the target is a folder with files
        except OSError as exc:
            check_free(name, pipelines_dir)
            raise UsageError(f"expected to write {pipelines_dir / name}, found {exc}") from exc
        sync_directory(pipelines_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return pipelines_dir / name
