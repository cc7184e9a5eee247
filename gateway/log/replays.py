"""The requests that were logged lately, so that a request that is sent again is not logged twice.

A client that got no answer cannot know whether its request is in the log, and sends it again under the same request id.
Where the answer is the same, the first entry stands for both. Where it is another one, the new entry names the number
that it replaces, and the lake keeps only the new one.
"""

from typing import NamedTuple

RequestName = tuple[str, int]  # the request id, and a hash of what was asked
REQUESTS_MIN = 16_384  # remembered at least; some 10 MB with the generation before them


class Logged(NamedTuple):
    """A request in the log: where its rows are, where they were the first time, and a hash of its answer."""

    place: int
    original: int
    answer: int


class Replays:
    """Remembers the last `REQUESTS_MIN` requests, up to twice as many: two dicts that take turns, without upkeep."""

    def __init__(self, requests_min: int = REQUESTS_MIN) -> None:
        self._requests_min = requests_min
        self._newer: dict[tuple[RequestName, int], Logged] = {}
        self._older: dict[tuple[RequestName, int], Logged] = {}

    def find(self, name: RequestName, rows: int) -> Logged | None:
        """How this request was logged before. With another number of rows it is another request."""
        key = name, rows
        return self._newer.get(key) or self._older.get(key)

    def remember(self, name: RequestName, rows: int, logged: Logged) -> None:
        self._newer[name, rows] = logged
        if len(self._newer) >= self._requests_min:
            self._older, self._newer = self._newer, {}

    def forget(self) -> None:
        """After a write that failed nobody knows which numbers are on disk."""
        self._newer.clear()
        self._older.clear()
