"""The console for a command's result: colours and wrapped tables in a terminal, one record per line in a pipe."""

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType

PIPE_COLUMNS = 10_000  # no cell is wrapped or cut, so that `grep` finds a record on one line


def output_console() -> Console:
    """Standard output. `NO_COLOR`, `TERM=dumb` and the width of the terminal are respected.

    What is printed is data: brackets, colons and numbers in it have no meaning to the console.
    """
    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=PIPE_COLUMNS)
    return console


def print_parts(parts: Iterable[RenderableType]) -> None:
    """Print the parts of a report, one below the other."""
    console = output_console()
    if console.is_terminal:
        console.print(Group(*parts))
        return
    with console.capture() as captured:
        console.print(Group(*parts))
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), flush=True)  # cells end in spaces
