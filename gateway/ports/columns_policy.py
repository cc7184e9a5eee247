"""Columns that a request has beside those of the model, or does not have: named in a header, ignored or refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from gateway.rows.refusals import BadRequest
from gateway.rows.schema import BoundRows
from gateway.wire.asgi import Header

_NAMES_MAX, _CHARACTERS_MAX = 32, 2048  # of a header


@dataclass(frozen=True, slots=True)
class ColumnsPolicy:
    """The settings `--extra-columns` and `--absent-columns`."""

    extra: Literal["name", "refuse", "ignore"]
    absent: Literal["name", "refuse"]

    def headers(self, bound: BoundRows) -> list[Header]:
        """The headers that name the columns; BadRequest where a setting refuses them."""
        if bound.ignored and self.extra == "refuse":
            message = f"column {bound.ignored[0]!r:.200} is unknown: no active version reads it"
            raise BadRequest(message, field=bound.ignored[0][:200], code="EXTRA_COLUMNS")
        if bound.absent and self.absent == "refuse":
            message = f"column {bound.absent[0]!r} is missing; send null for a missing value"
            raise BadRequest(message, field=bound.absent[0], code="ABSENT_COLUMNS")
        headers = []
        if bound.ignored and self.extra == "name":
            headers.append((b"x-ignored-columns", names_in_header(bound.ignored)))
        if bound.absent:
            headers.append((b"x-absent-columns", names_in_header(bound.absent)))
        return headers


def names_in_header(names: Iterable[str]) -> bytes:
    """Percent-encoded names, as many as fit a header of some kilobytes."""
    found: list[str] = []
    room = _CHARACTERS_MAX
    for name in names:
        encoded = quote(name[:_CHARACTERS_MAX], errors="replace")
        room -= len(encoded) + 1
        if room < 0 or len(found) == _NAMES_MAX:
            break
        found.append(encoded)
    return ",".join(found).encode()
