"""Decompression by file extension, in steps, so that a small file cannot unpack to more than its limit."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

import pyarrow as pa

from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort, TooLarge

_STEP_BYTES = 1 << 20


def _zstd(stream: io.BytesIO) -> io.BufferedIOBase:
    found: io.BufferedIOBase = pa.CompressedInputStream(stream, "zstd")
    return found


COMPRESSIONS: Mapping[str, Callable[[io.BytesIO], io.BufferedIOBase]] = {
    ".gz": lambda stream: gzip.GzipFile(fileobj=stream),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": _zstd,
}


def unpack(content: bytes, path: str, bytes_max: int) -> bytes:
    """The uncompressed bytes, by the last extension of `path`."""
    suffix = PurePosixPath(path).suffix.lower()
    opener = COMPRESSIONS.get(suffix)
    if opener is None:
        return content
    unpacked = io.BytesIO()
    try:
        with opener(io.BytesIO(content)) as stream:
            while step := stream.read(_STEP_BYTES):
                unpacked.write(step)
                if unpacked.tell() > bytes_max:
                    raise TooLarge(f"{len(content)} bytes that unpack to more than {bytes_max}")
    except EOFError as exc:
        raise CutShort(f"{suffix} that ends too early: {exc}") from exc
    except (OSError, zlib.error, lzma.LZMAError) as exc:
        raise BrokenDocument(f"no {suffix}: {exc}") from exc
    return unpacked.getvalue()
