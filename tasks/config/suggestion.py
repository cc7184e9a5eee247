"""A suggestion for a name that a person misspelt."""

from collections.abc import Iterable
from difflib import get_close_matches

SUGGESTIONS_MAX = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: `; did you mean 'flights'?`, empty if no known name is close."""
    close = get_close_matches(name.casefold(), [str(each) for each in known], n=SUGGESTIONS_MAX)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
