"""A healer process with the environment of the test, and who leads according to the ledger."""

import os
import subprocess
import sys
from contextlib import contextmanager

from tasks.ledger.leases import Leases, healer_lease
from tests.published import PIPELINE


@contextmanager
def healer(log, environment=None):
    """A healer process; `log` is its output. `environment` is added to that of the test."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "healer", "--pipeline", PIPELINE],
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def leader(ledger_dsn):
    """The lease of the healer that leads, or None."""
    leases = Leases(ledger_dsn)
    try:
        return leases.current(healer_lease(PIPELINE))
    finally:
        leases.close()
