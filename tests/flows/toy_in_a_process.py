"""Run the toy's retrain in its own process and kill it at a named point: `python -m … POINT UNTIL`."""

import os
import signal
import sys
from datetime import date

from tasks.runtime import crash_points as points


def main(point: str, until: str) -> None:
    def reached(name: str, **_: object) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    points.reached = reached
    from flows.retrain import retrain

    retrain("toy", until=date.fromisoformat(until))


if __name__ == "__main__":
    main(*sys.argv[1:])
