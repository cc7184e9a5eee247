"""Copies the gateway's log into the lake, stream by stream: each entry exactly once, in the order of logging.

A log has an epoch as its identity, and numbers its entries within the epoch. The commit that adds rows also records up
to which number the lake is complete. Then the gateway gets an acknowledgement and deletes these entries. If the
acknowledgement is lost, the next drain repeats it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from healing.errors import GatewayUnavailable
from tasks.lake.lake_table import LakeTable

PAGE_ROWS = 20_000  # entries per request: about 10 MB
TIMEOUT = httpx.Timeout(20.0, connect=2.0)  # seconds; the gateway needs less than one per page


class LoggedEntry(BaseModel):
    """One line of a stream. An entry that `replaces` another belongs to a repeated request."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: int
    replaces: int | None = None

    def record(self) -> dict[str, Any]:
        """The entry as a row of the lake, without its number in the log."""
        return self.model_dump(exclude={"seq", "replaces"})


@dataclass(frozen=True, slots=True)
class DrainedStream:
    """One stream of the log: its path on the operate port, the type of its lines, and the schema of its lake table.

    `schema` begins with `epoch` and `seq`, which identify a row. A gateway of an older version lacks a `recent` stream.
    """

    path: str
    entry: type[LoggedEntry]
    schema: pa.Schema
    recent: bool = False

    def drain(self, client: httpx.Client, table: LakeTable) -> tuple[int, int]:
        """Copy new entries into the lake. Returns the number of rows, and up to which entry the lake is complete.

        The caller holds a lock, so that one drain runs at a time. GatewayUnavailable when the gateway does not answer;
        entries copied before that stay.
        """
        if self.recent and not self._exists(client):
            return 0, 0
        epoch, _ = self._page(client, after=0, limit=1)
        table.add_columns(self.schema)  # an older version of this program may have created the table
        app = f"{self.path}/{epoch}"
        rows, until = 0, table.progress(app)
        for page in self._pages(client, epoch, until):
            until = page[-1].seq
            rows += len(page)
            added, corrected = self._as_rows(epoch, page)
            table.append(added, {}, corrected=corrected, progress=(app, until))
        self._acknowledge(client, epoch, until)
        return rows, until

    def _pages(self, client: httpx.Client, epoch: str, after: int) -> Iterator[list[LoggedEntry]]:
        """Pages up to the end of the log; a page that is not full is the last one.

        Waiting for an empty page would never end while requests arrive, and would commit a few rows at a time.
        """
        while True:
            found, page = self._page(client, after, PAGE_ROWS)
            if found != epoch:
                return  # the log was replaced meanwhile; the next drain begins with the new one
            if page:
                yield page
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].seq

    def _exists(self, client: httpx.Client) -> bool:
        try:
            return client.get(self.path, params={"after": 0, "limit": 1}).status_code != httpx.codes.NOT_FOUND
        except httpx.HTTPError as exc:
            raise GatewayUnavailable(
                f"expected the log at {client.base_url}, found {type(exc).__name__}: {exc}"
            ) from exc

    def _page(self, client: httpx.Client, after: int, limit: int) -> tuple[str, list[LoggedEntry]]:
        try:
            response = client.get(self.path, params={"after": after, "limit": limit}).raise_for_status()
            entries = [self.entry.model_validate_json(line) for line in response.text.splitlines() if line]
            return response.headers["x-log-epoch"], sorted(entries, key=lambda entry: entry.seq)
        except httpx.HTTPError as exc:
            raise GatewayUnavailable(
                f"expected the log at {client.base_url}, found {type(exc).__name__}: {exc}; check the gateway's own log"
            ) from exc
        except (ValidationError, KeyError) as exc:
            raise GatewayUnavailable(
                f"expected entries of {self.path} from {client.base_url}, found {exc}; does its version match?"
            ) from exc

    def _as_rows(self, epoch: str, page: list[LoggedEntry]) -> tuple[pa.Table, pa.Table]:
        """New rows, and rows of earlier pages that a repeated request replaces; these keep their number."""
        added: dict[int, dict[str, Any]] = {}
        corrected: dict[int, dict[str, Any]] = {}
        for entry in page:
            seq = entry.seq if entry.replaces is None else entry.replaces
            rows = corrected if entry.replaces is not None and seq not in added else added
            rows[seq] = {"epoch": epoch, "seq": seq, **entry.record()}
        new, changed = (pa.Table.from_pylist(list(rows.values()), schema=self.schema) for rows in (added, corrected))
        return new, changed

    def _acknowledge(self, client: httpx.Client, epoch: str, until: int) -> None:
        try:
            client.post(f"{self.path}/drained", json={"epoch": epoch, "until": until}).raise_for_status()
        except httpx.HTTPError as exc:
            raise GatewayUnavailable(
                f"expected {client.base_url} to accept the acknowledgement of {self.path}, found {type(exc).__name__}: "
                f"{exc}; the next drain repeats it"
            ) from exc
