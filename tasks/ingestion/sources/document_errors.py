"""Errors of a document, raised before its source is known; `Document` turns them into errors of the source."""


class BrokenDocument(Exception):
    """The bytes are not in the format that they claim. The text says what was found."""


class CutShort(BrokenDocument):
    """The bytes end too early."""


class TooLarge(BrokenDocument):
    """The bytes, or what they unpack to, exceed their limit."""
