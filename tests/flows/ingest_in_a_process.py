"""Runs the ingest flow in a separate process and kills it at a named point: `python -m … PIPELINE POINT TABLE`."""

import os
import signal
import sys
from datetime import date

from tasks.runtime import crash_points as points


def main(pipeline: str, point: str, table: str) -> None:
    def reached(name: str, **keys: object) -> None:
        if name == point and keys.get("table", table) == table:
            os.kill(os.getpid(), signal.SIGKILL)

    points.reached = reached
    from flows.ingest import ingest

    ingest(pipeline, since=date(2013, 2, 26), until=date(2013, 2, 28))


if __name__ == "__main__":
    main(*sys.argv[1:])
