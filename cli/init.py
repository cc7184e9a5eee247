"""`autopilot init`: a pipeline's folder from a file that nobody has described."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.options import JsonOption

if TYPE_CHECKING:
    from tasks.onboarding.onboard import Onboarded


_TRIED = "tried on the file"


def init(
    name: Annotated[str, typer.Argument(help="Name of the pipeline, and of its folder.")],
    data: Annotated[Path, typer.Option(help="CSV, JSON or Parquet file, compressed or not.")],
    label: Annotated[str, typer.Option(help="Column to predict.")],
    time: Annotated[str, typer.Option(help="Column that says when a row became known.")],
    key: Annotated[str, typer.Option(help="Column that tells rows apart.")],
    task: Annotated[
        Literal["classification", "regression"] | None,
        typer.Option(help="Guessed from the label.", show_default=False),
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The label's value to tell from the others.", show_default=False)
    ] = None,
    dates: Annotated[
        Literal["day-first", "month-first"] | None, typer.Option(help="How to read 03/04/2013.", show_default=False)
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where pipelines are.  [default: ./pipelines]", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a working pipeline for a file, and say what was guessed and why."""
    from cli.control_plane import log_to_stderr
    from cli.options import settings_of
    from cli.output import print_result

    log_to_stderr()
    from tasks.onboarding.draft import Asked
    from tasks.onboarding.onboard import onboard

    where = settings_of(None).pipelines_dir if directory is None else directory.expanduser().absolute()
    asked = Asked(name, data, label, time, key, task, positive, dates)
    done = onboard(asked, where)
    if as_json:
        print_result(done, as_json=True)
    else:
        _tell(name, done)


def _tell(name: str, done: "Onboarded") -> None:
    width = max(len(_TRIED), *(len(guess.about) for guess in done.guesses))
    for guess in done.guesses:
        print(f"{guess.about:<{width}}  {guess.choice} ({guess.why})")
    for table in done.rehearsed:
        aside = "".join(f"; {count} set aside: {reason}" for reason, count in table.reasons.items())
        print(f"{_TRIED:<{width}}  {table.table}: {table.accepted} rows of {table.days} days taken{aside}")
    print(f"wrote {done.folder}; next: autopilot bootstrap {name} --until {done.learn_until}")
