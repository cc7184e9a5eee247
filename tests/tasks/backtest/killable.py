"""Runs a toy backtest with two workers in a process of its own: `python -m tests.tasks.backtest.killable ROOT`."""

import sys
from pathlib import Path

from tasks.backtest.run import run_backtest
from tests.tasks.backtest.histories import request


def show(*step: object) -> None:
    sys.stdout.write(" ".join(map(str, step)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_backtest(request(Path(sys.argv[1]), processes=2), show)
