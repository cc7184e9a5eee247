"""`autopilot init`: a pipeline folder from a data file without a description."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.options import JsonOption

if TYPE_CHECKING:
    from tasks.onboarding.onboard import OnboardingResult

_DRY_RUN = "dry run"


def init(
    name: Annotated[str, typer.Argument(help="Name of the pipeline and of its folder.")],
    data: Annotated[Path, typer.Option(help="CSV, JSON or Parquet file, compressed or not.")],
    label: Annotated[str, typer.Option(help="Column to predict.")],
    time: Annotated[str, typer.Option(help="Column with the time at which a row became known.")],
    key: Annotated[str, typer.Option(help="Column that identifies each row.")],
    *,
    task: Annotated[
        Literal["classification", "regression"] | None,
        typer.Option(help="Kind of prediction; guessed from the label by default.", show_default=False),
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="Value of the label that is predicted against all others.", show_default=False)
    ] = None,
    dates: Annotated[
        Literal["day-first", "month-first"] | None,
        typer.Option(help="Order of day and month in dates such as 03/04/2013.", show_default=False),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="File with labels that come later: the key, the label, and when it became known.", show_default=False
        ),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Directory of the pipelines; without it ./pipelines.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a working pipeline for a data file, and print every guess with its reason.

    A guess of medium or low confidence is printed with the line that changes it. The page shows all of them.
    """
    from cli.control_plane import log_to_stderr
    from cli.interruption import end_when_interrupted
    from cli.options import settings_of
    from cli.output import print_result
    from cli.progress_output import progress_shown

    end_when_interrupted()
    log_to_stderr()
    from tasks.onboarding.draft import OnboardingRequest
    from tasks.onboarding.onboard import onboard
    from tasks.onboarding.page import write_initial_page

    settings = settings_of(None)
    where = settings.pipelines_dir if directory is None else directory.expanduser().absolute()
    with progress_shown():
        request = OnboardingRequest(name, data, label, time, key, task, positive, dates, labels)
        result = onboard(request, where, settings.memory_bytes_max)
    page = write_initial_page(name, where, settings.reports_dir)
    if as_json:
        print_result(result, as_json=True)
    else:
        _print_guesses(name, result, page)


def _print_guesses(name: str, result: "OnboardingResult", page: Path) -> None:
    width = max(len(_DRY_RUN), *(len(guess.about) for guess in result.guesses))
    for guess in result.guesses:
        check = "" if guess.confidence == "high" else f" [{guess.confidence}: {guess.change or 'check the file'}]"
        print(f"{guess.about:<{width}}  {guess.choice} ({guess.why}){check}")
    for table in result.dry_run:
        quarantined = "".join(f"; {count} quarantined: {reason}" for reason, count in table.reasons.items())
        days = f"{table.days} days" if table.days == table.days_served else f"{table.days} of {table.days_served} days"
        print(f"{_DRY_RUN:<{width}}  {table.table}: {table.accepted} rows on {days} accepted{quarantined}")
    print(f"page: {page}")
    print(f"wrote {result.folder}; next: autopilot bootstrap {name} --until {result.bootstrap_until}")
    print(f"then: autopilot backtest {name}, what retraining would have gained on these days")
