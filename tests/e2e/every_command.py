"""Runs every command of `autopilot` once, in one process: `python tests/e2e/every_command.py HOME`, in a terminal.

One process, so that the libraries are imported once. A command may refuse: what counts is what it looks up.
"""

import sys
from pathlib import Path

from cli.main import app, main

ROWS = "id,at,x,label\n" + "".join(
    f"{n},2013-0{1 + n // 300}-{1 + n % 28:02d} {n % 24:02d}:00:00,{n % 7},{n % 2}\n" for n in range(600)
)


def commands(home: Path) -> list[list[str]]:
    """The words of every command; `up`, `bootstrap` and `demo` are run by the tests themselves."""
    data = home / "rows.csv"
    data.write_text(ROWS, encoding="utf-8")
    description = ["--data", str(data), "--label", "label", "--time", "at", "--key", "id", "--dir", str(home / "new")]
    day = ["--since", "2013-01-20", "--until", "2013-01-20"]
    return [
        ["history"],
        ["status"],
        ["doctor"],
        ["incident", "list"],
        ["incident", "show", "0"],
        ["incident", "explain", "0"],
        ["incident", "approve", "0", "--by", "a test"],
        ["example"],
        ["backtest", "--processes", "1"],
        ["quarantine", "list"],
        ["quarantine", "show", "flights/2013-01-02"],
        ["quarantine", "release", "flights/2013-01-02"],
        ["drill", "list"],
        ["drill", "report"],
        ["drill", "stop"],
        ["drill", "clear"],
        ["drill", "run", "no-such-drill"],
        ["drill", "shrink", "no-such-drill"],
        ["lab", "up", "no-such-pipeline"],
        ["lab", "status"],
        ["init", "rows", *description],
        ["reference", *day],
        ["publish", str(data), "--rows", str(data), "--trained-from", "2013-01-01", "--trained-until", "2013-01-20"],
        ["release", "status"],
        ["release", "start", "0" * 64, "--ab", "--ends", "by_person"],
        ["release", "approve", "--by", "a test"],
        ["release", "abort", "--by", "a test", "--reason", "a test"],
        ["retrospect"],
        ["rollback"],
        ["pause", "--reason", "a test"],
        ["resume"],
        ["ingest", *day],
        ["heal"],
        ["maintain"],
        ["monitor"],
        ["retrain", "--until", "2013-01-21"],
    ]


def known_commands() -> set[str]:
    """The names of all commands, with their group."""
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    for name, group in groups.items():
        names |= {f"{name} {each.name or each.callback.__name__}" for each in group.registered_commands}
    return names


def run_all(home: Path) -> None:
    for words in commands(home):
        sys.argv = ["autopilot", *words]
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        sys.stderr.write(f"every_command: {' '.join(words[:2])} ended with {code}\n")


if __name__ == "__main__":
    run_all(Path(sys.argv[1]))
