"""What is wrong with a document, before it is known whose it is; `Document` turns these into errors of its source."""


class Broken(Exception):
    """The bytes are not what they claim to be. The text says what was found."""


class CutShort(Broken):
    """The bytes end before they are complete."""


class TooLarge(Broken):
    """The bytes, or what they unpack to, exceed their limit."""
