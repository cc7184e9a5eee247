"""The circuit of one source, stored in a file, so that the next run knows the failures of this one.

Whether a source can be reached depends on the machine, so each machine stores its own circuits. A change is made under
a lock and replaces the whole file: two runs at once neither lose a failure nor read half a file.
"""

import time
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

from healing.circuit import FAILURES_MAX, Circuit
from healing.errors import CircuitOpen, StoreUnavailable
from releases.files import write_atomically
from tasks.runtime.file_locks import exclusive

log = structlog.get_logger(__name__)

LOCK_SECONDS_MAX = 10.0  # a holder reads and writes one small file


class _CircuitFile(BaseModel):
    endpoint: str
    circuit: Circuit


class StoredCircuit:
    """The circuit of `endpoint`, a source's name and address without secrets. With a new address it starts anew."""

    def __init__(self, path: Path, endpoint: str, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._endpoint = endpoint
        self._now = now

    @property
    def closed(self) -> bool:
        return self._read().closed

    def admit(self) -> None:
        """Return if a request may be made, else CircuitOpen. An open circuit admits one probe per waiting time."""
        if self._read() == Circuit():  # the usual case takes no lock
            return
        with exclusive(self._lock, seconds_max=LOCK_SECONDS_MAX):
            circuit, now = self._read(), self._now()
            wait = circuit.waits(now)
            if wait:
                raise CircuitOpen(
                    f"{self._endpoint}: expected fewer than {FAILURES_MAX} failures in a row, found "
                    f"{circuit.failures}; it is asked again in {wait:.0f} s"
                )
            self._write(circuit.admitted(now))

    def failed(self) -> None:
        """Count a failure; the last of too many in a row opens the circuit."""
        with exclusive(self._lock, seconds_max=LOCK_SECONDS_MAX):
            before = self._read()
            after = before.failed(self._now())
            self._write(after)
        if before.closed and not after.closed:
            log.warning("circuit_opened", endpoint=self._endpoint, failures=after.failures)

    def succeeded(self) -> None:
        """Reset the failures."""
        if self._read() == Circuit():
            return
        with exclusive(self._lock, seconds_max=LOCK_SECONDS_MAX):
            before = self._read()
            self._write(before.succeeded())
        if not before.closed:
            log.info("circuit_closed", endpoint=self._endpoint)

    @property
    def _lock(self) -> Path:
        return self._path.with_suffix(".lock")

    def _read(self) -> Circuit:
        try:
            found = _CircuitFile.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Circuit()
        except ValidationError as exc:  # an unreadable file costs only the count of failures
            log.warning("circuit_unreadable", path=str(self._path), reason=exc.errors()[0]["msg"])
            return Circuit()
        return found.circuit if found.endpoint == self._endpoint else Circuit()

    def _write(self, circuit: Circuit) -> None:
        content = _CircuitFile(endpoint=self._endpoint, circuit=circuit).model_dump_json().encode()
        try:
            write_atomically(self._path, content)
        except OSError as exc:
            raise StoreUnavailable(f"cannot write {self._path}: {exc}; free space or fix access") from exc
