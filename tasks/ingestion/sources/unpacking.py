"""Decompression by file extension, in steps, so that a small file cannot unpack to more than its limit."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort, TooLarge

_STEP_BYTES = 1 << 20
RATIO_MAX = 200  # unpacked to packed bytes of a large file; text has about 5 to 30
_UNPACKED_FREELY = 64 << 20


def _zstd(stream: Any) -> io.BufferedIOBase:
    found: io.BufferedIOBase = pa.CompressedInputStream(stream, "zstd")
    return found


COMPRESSIONS: Mapping[str, Callable[[Any], io.BufferedIOBase]] = {
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
    with _own_errors(suffix), opener(io.BytesIO(content)) as stream:
        while step := stream.read(_STEP_BYTES):
            unpacked.write(step)
            if unpacked.tell() > bytes_max:
                raise TooLarge(f"{len(content)} bytes that unpack to more than {bytes_max}")
    return unpacked.getvalue()


def unpacked_reader(read: Callable[[int], bytes], path: str) -> Callable[[int], bytes]:
    """A function that returns the next unpacked bytes of a file, of which `read` returns the next bytes.

    BrokenDocument or CutShort as from `unpack`, TooLarge where they are more than 200 times as many.
    """
    suffix = PurePosixPath(path).suffix.lower()
    opener = COMPRESSIONS.get(suffix)
    if opener is None:
        return read
    packed = _Packed(read)
    with _own_errors(suffix):
        stream = opener(packed)
    unpacked = 0

    def read_unpacked(size: int) -> bytes:
        nonlocal unpacked
        with _own_errors(suffix):
            step = stream.read(size)
        unpacked += len(step)
        if unpacked > max(_UNPACKED_FREELY, RATIO_MAX * packed.bytes_read):
            raise TooLarge(f"{packed.bytes_read} bytes that unpack to more than {RATIO_MAX} times as many")
        return step

    return read_unpacked


class _Packed:
    """The packed bytes as a file object."""

    closed = False

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.bytes_read = 0

    def read(self, size: int = _STEP_BYTES) -> bytes:
        step = self._read(size)
        self.bytes_read += len(step)
        return step

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing: the file belongs to the caller."""


@contextmanager
def _own_errors(suffix: str) -> Iterator[None]:
    """Errors of a decompressor become those of a document."""
    try:
        yield
    except EOFError as exc:
        raise CutShort(f"{suffix} that ends too early: {exc}") from exc
    except (OSError, zlib.error, lzma.LZMAError) as exc:
        raise BrokenDocument(f"no {suffix}: {exc}") from exc
