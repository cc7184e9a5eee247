"""Text of a source: how it is decoded, and which texts mean that a value is missing."""

import codecs

from tasks.ingestion.sources.document_errors import BrokenDocument

# In CSV, and in columns that are no text. Formats with a null of their own may have these texts as values.
MISSING = ("", "NA", "NaN", "null", "NULL")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def as_utf8(content: bytes, encoding: str | None) -> bytes:
    """The text in UTF-8. UTF-16 is recognised by its byte order mark; other encodings have to be named."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    if encoding is None:
        return content
    try:
        return content.decode(encoding).encode()
    except UnicodeError as exc:
        raise BrokenDocument(f"bytes that are not {encoding}: {exc}") from exc


def checked_text(content: bytes) -> bytes:
    """The UTF-8 text without its byte order mark; BrokenDocument when it is not UTF-8 or was decoded wrongly before."""
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if content.isascii():
        return content
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise BrokenDocument(
            f"bytes that are not UTF-8 at {exc.start}: {content[max(0, exc.start - 10) : exc.end + 10]!r}"
        ) from exc
    twice = DecodedTwice()
    twice.add(text)
    twice.refuse()
    return content


def refuse_markup(content: bytes) -> None:
    """BrokenDocument when the text begins like HTML or XML."""
    start = content.lstrip()[:15]
    if start.startswith(b"<"):
        raise BrokenDocument("a page" if b"html" in start.lower() else "markup")


class DecodedTwice:
    """Recognises UTF-8 that was read as Latin-1 (or Windows-1252) and written as UTF-8 again. The text comes in steps.

    Such text is valid but wrong: `Zürich` became `ZÃ¼rich`. It is recognised because decoding it backwards gives valid
    UTF-8 for the whole text, which almost never happens with correct text that is not ASCII.
    """

    def __init__(self) -> None:
        self._tables = {table: codecs.getincrementaldecoder("utf-8")() for table in ("latin-1", "cp1252")}
        self._first = ""  # the first letters that are not ASCII

    def add(self, text: str) -> None:
        """The next text that is not all ASCII."""
        if not self._first:
            position = next(index for index, letter in enumerate(text) if not letter.isascii())
            self._first = text[position : position + 12]
        for table, decoder in list(self._tables.items()):
            try:
                decoder.decode(text.encode(table))
            except UnicodeError:
                del self._tables[table]

    def refuse(self) -> None:
        """BrokenDocument if all texts together are such text."""
        for table, decoder in self._tables.items():
            try:
                decoder.decode(b"", final=True)
            except UnicodeError:
                continue
            if self._first:
                meant = self._first.encode(table).decode("utf-8", errors="ignore")[:6]
                raise BrokenDocument(
                    f"UTF-8 that was once read as {table} and written again: {self._first!r}, where {meant!r} was meant"
                )
