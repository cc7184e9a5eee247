"""`autopilot quarantine`: show rows that were not accepted and why, and release rows that are right after all."""

from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, PipelineCommand, settings_of

app = typer.Typer(no_args_is_help=True, help="Show rows that were not accepted and why, and release rows.")

BatchArgument = Annotated[str, typer.Argument(help="Id of a batch, such as flights/2013-03-01.")]
ROWS_SHOWN = 20


@app.command("list", cls=PipelineCommand)
def list_batches(pipeline: PipelineArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List batches with rows in quarantine and answers of sources that were refused, oldest day first."""
    from cli.output import as_document, print_result
    from tasks.config.pipeline import load_pipeline
    from tasks.ingestion.quarantine import read_notes, read_refusals

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    root = settings.quarantine_root(pipeline)
    notes, refused = read_notes(root), read_refusals(root)
    if as_json:
        shown = [note.model_dump(mode="json", exclude={"rows"}) for note in notes]
        print_result({"batches": shown, "refused": as_document(refused)}, as_json=True)
        return
    from cli.render.console import print_parts
    from cli.render.quarantine import quarantine_parts

    print_parts(quarantine_parts(notes, refused))


@app.command(cls=PipelineCommand)
def show(
    pipeline: PipelineArgument,
    batch: BatchArgument,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of rows to show.")] = ROWS_SHOWN,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show why rows of a batch are in quarantine, and the rows as their source sent them."""
    from cli.output import print_result
    from tasks.config.pipeline import load_pipeline
    from tasks.ingestion.quarantine import original_file, read_note, read_original

    settings = settings_of(home)
    config = load_pipeline(pipeline, settings.pipelines_dir)
    root = settings.quarantine_root(pipeline)
    note = read_note(root, batch)
    original = str(original_file(root, batch))
    sent = read_original(config, root, note).rows
    rows = [
        {"row": row, "reason": note.rows[row], "sent": sent.iloc[row].to_dict()} for row in sorted(note.rows)[:limit]
    ]
    if as_json:
        document = note.model_dump(mode="json", exclude={"rows"})
        print_result({**document, "original": original, "rows": rows}, as_json=True)
        return
    from cli.render.console import print_parts
    from cli.render.quarantine import batch_parts

    print_parts(batch_parts(note, original, rows, limit))


@app.command(cls=PipelineCommand)
def release(
    pipeline: PipelineArgument,
    batch: BatchArgument,
    why: Annotated[str, typer.Option(help="Why the rows are right; it is recorded.")],
    by: Annotated[
        str | None, typer.Option(help="Who decides; the user of this process by default.", show_default=False)
    ] = None,
    row: Annotated[
        list[int] | None, typer.Option(help="Only this row, as `show` numbers it; may be given several times.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept rows of a batch that are in quarantine, and compute again the features that depend on them.

    Rows without a key, of another type or of another day fit into no table and stay in quarantine.
    """
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from tasks.config.pipeline import load_pipeline
    from tasks.config.settings import load_settings
    from tasks.ingestion.quarantine_release import release_from_quarantine

    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    done = release_from_quarantine(config, settings, batch, rows=row, by=by or _user_name(), why=why)
    print_result(done, as_json=as_json)


def _user_name() -> str:
    """The user of this process."""
    import getpass

    from healing.errors import UsageError

    try:
        return getpass.getuser()
    except (KeyError, OSError) as exc:
        raise UsageError("expected a user name from this machine, found none; give your name with --by") from exc
