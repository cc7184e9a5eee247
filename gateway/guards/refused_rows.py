"""Whether a version is to blame for rows that it refuses, or the rows are."""

from collections.abc import Hashable

_ROWS_KEPT = 200
_REFUSED_ROWS_MIN = 20
_SHARE_MAX = 0.5


class RefusedRows:
    """Remembers the latest distinct rows of a version, and which of them it refused though another version answered.

    The version is blamed where it refuses more than half of at least `_REFUSED_ROWS_MIN` distinct rows, and the clients
    whose rows it refuses are more than half of all. So neither one row that is sent again and again nor one client with
    odd rows turns other clients away from a version. Requests without a route key count as one client.
    """

    def __init__(self) -> None:
        self._rows: dict[int, bool] = {}
        self._clients: dict[str | None, bool] = {}

    def answered(self, row: Hashable, client: str | None) -> None:
        """Take a row that the version answered."""
        self._keep(hash(row), client, refused=False)

    def refused(self, row: Hashable, client: str | None) -> bool:
        """Take a row that only the other version answered; whether this version is to blame for it."""
        self._keep(hash(row), client, refused=True)
        rows = sum(self._rows.values())
        if rows < _REFUSED_ROWS_MIN or rows <= _SHARE_MAX * len(self._rows):
            return False
        return sum(self._clients.values()) > _SHARE_MAX * len(self._clients)

    def _keep(self, row: int, client: str | None, *, refused: bool) -> None:
        self._rows[row] = refused
        if len(self._rows) > _ROWS_KEPT:
            del self._rows[next(iter(self._rows))]
        self._clients[client] = refused or self._clients.get(client, False)
        if len(self._clients) > _ROWS_KEPT:
            del self._clients[next(iter(self._clients))]
