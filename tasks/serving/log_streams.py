"""The gateway's log, brought into the lake stream by stream: every entry once, in the order of logging.

A log has an identity, its epoch, and numbers its entries within it. How far an epoch is in the lake is written in the
same commit as the rows. Then the gateway is told, and deletes what the lake has; a gateway that does not hear of it is
told again by the next drain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from healing.errors import GatewayUnavailable
from tasks.lake.lake_table import LakeTable

PAGE_ROWS = 20_000  # entries asked for at once: some 10 MB
TIMEOUT = httpx.Timeout(20.0, connect=2.0)  # seconds; a page takes the gateway well under one


class LoggedEntry(BaseModel):
    """One line of a stream. An entry that `replaces` another is the answer to a request that was asked again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: int
    replaces: int | None = None

    def record(self) -> dict[str, Any]:
        """The entry as a row of the lake, without its place in the log."""
        return self.model_dump(exclude={"seq", "replaces"})


@dataclass(frozen=True, slots=True)
class LogStream:
    """One stream of the log: its path on the operate port, the shape of its lines, and the lake's table for it.

    `schema` begins with `epoch` and `seq`, which name a row.
    """

    path: str
    entry: type[LoggedEntry]
    schema: pa.Schema

    def drain(self, client: httpx.Client, table: LakeTable) -> tuple[int, int]:
        """Bring in what was logged since the last time; returns rows, and the number up to which the lake is complete.

        One at a time: the caller holds a lock. GatewayUnavailable when the gateway does not answer; what came in before
        stays.
        """
        epoch, _ = self._page(client, after=0, limit=1)
        table.add_columns(self.schema)  # an older version of this program may have made the table
        app = f"{self.path}/{epoch}"
        rows, until = 0, table.progress(app)
        for page in self._pages(client, epoch, until):
            until = page[-1].seq
            rows += len(page)
            added, corrected = self._as_rows(epoch, page)
            table.append(added, {}, corrected=corrected, progress=(app, until))
        self._tell(client, epoch, until)
        return rows, until

    def _pages(self, client: httpx.Client, epoch: str, after: int) -> Iterator[list[LoggedEntry]]:
        """Pages up to the end of the log as it was on arrival: a page that is not full was the last one.

        Waiting for an empty page instead would never end while clients ask, and commit a handful of rows at a time.
        """
        while True:
            found, page = self._page(client, after, PAGE_ROWS)
            if found != epoch:
                return  # wiped meanwhile; the next drain begins with the new log
            if page:
                yield page
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].seq

    def _page(self, client: httpx.Client, after: int, limit: int) -> tuple[str, list[LoggedEntry]]:
        try:
            response = client.get(self.path, params={"after": after, "limit": limit}).raise_for_status()
            entries = [self.entry.model_validate_json(line) for line in response.text.splitlines() if line]
            return response.headers["x-log-epoch"], sorted(entries, key=lambda entry: entry.seq)
        except httpx.HTTPError as exc:
            raise GatewayUnavailable(
                f"expected the log at {client.base_url}, found {type(exc).__name__}: {exc}; see the gateway's log"
            ) from exc
        except (ValidationError, KeyError) as exc:
            raise GatewayUnavailable(f"{client.base_url} answered {self.path} with something else: {exc}") from exc

    def _as_rows(self, epoch: str, page: list[LoggedEntry]) -> tuple[pa.Table, pa.Table]:
        """New rows, and rows of earlier pages that a request asked again replaces; these keep their place."""
        added: dict[int, dict[str, Any]] = {}
        corrected: dict[int, dict[str, Any]] = {}
        for entry in page:
            seq = entry.seq if entry.replaces is None else entry.replaces
            rows = corrected if entry.replaces is not None and seq not in added else added
            rows[seq] = {"epoch": epoch, "seq": seq, **entry.record()}
        new, changed = (pa.Table.from_pylist(list(rows.values()), schema=self.schema) for rows in (added, corrected))
        return new, changed

    def _tell(self, client: httpx.Client, epoch: str, until: int) -> None:
        try:
            client.post(f"{self.path}/drained", json={"epoch": epoch, "until": until}).raise_for_status()
        except httpx.HTTPError as exc:
            raise GatewayUnavailable(
                f"{client.base_url} was to delete what the lake has of {self.path}, found {type(exc).__name__}: {exc}"
            ) from exc
