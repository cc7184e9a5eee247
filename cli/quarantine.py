"""`autopilot quarantine`: see what was not let in and why, and let in what was right after all."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, PipelineCommand, settings_of

if TYPE_CHECKING:
    from tasks.ingestion.quarantine import QuarantineNote

app = typer.Typer(no_args_is_help=True, help="See what was not let in and why, and let in what was right after all.")

BatchArgument = Annotated[str, typer.Argument(help="Id of a batch, such as flights/2013-03-01.")]
ROWS_SHOWN = 20


@app.command("list", cls=PipelineCommand)
def list_batches(pipeline: PipelineArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List batches with rows in quarantine, and what sources sent that was no batch, oldest day first."""
    from cli.output import as_document, print_result
    from tasks.config.pipeline import load_pipeline
    from tasks.ingestion.quarantine import noted, refusals

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    root = settings.quarantine_root(pipeline)
    notes, refused = noted(root), refusals(root)
    if as_json:
        shown = [note.model_dump(mode="json", exclude={"rows"}) for note in notes]
        print_result({"batches": shown, "refused": as_document(refused)}, as_json=True)
        return
    if not notes and not refused:
        print("Nothing is in quarantine.")
    for note in notes:
        most = max(note.reasons, key=lambda reason: note.reasons[reason], default="")
        print(f"{note.batch_id:<28} {note.quarantined:>6} of {note.received} rows  {most}")
    for refusal in refused:
        print(f"{refusal.batch_id:<28} refused from {refusal.source}: {refusal.reason}")


@app.command(cls=PipelineCommand)
def show(
    pipeline: PipelineArgument,
    batch: BatchArgument,
    limit: Annotated[int, typer.Option(min=1, help="At most this many rows.")] = ROWS_SHOWN,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show why a batch's rows were set aside, and the rows as their source sent them."""
    from cli.output import print_result
    from tasks.config.pipeline import load_pipeline
    from tasks.ingestion.kept_batch import read_batch
    from tasks.ingestion.quarantine import original_file, read_note, read_original

    settings = settings_of(home)
    config = load_pipeline(pipeline, settings.pipelines_dir)
    root = settings.quarantine_root(pipeline)
    note = read_note(root, batch)
    suffix, content = read_original(root, batch)
    sent = read_batch(config, note, content, suffix).rows
    places = sorted(note.rows)[:limit]
    rows = [{"row": place, "reason": note.rows[place], "sent": sent.iloc[place].to_dict()} for place in places]
    if as_json:
        document = note.model_dump(mode="json", exclude={"rows"})
        print_result({**document, "original": str(original_file(root, batch)), "rows": rows}, as_json=True)
        return
    _describe(note, str(original_file(root, batch)))
    for row in rows:
        print(f"row {row['row']}: {row['reason']}\n    {row['sent']}")
    if len(note.rows) > limit:
        print(f"and {len(note.rows) - limit} more; --limit shows them")


@app.command(cls=PipelineCommand)
def release(
    pipeline: PipelineArgument,
    batch: BatchArgument,
    why: Annotated[str, typer.Option(help="Why the rows are right after all, for the record.")],
    by: Annotated[str | None, typer.Option(help="Who says so; you by default.", show_default=False)] = None,
    row: Annotated[
        list[int] | None, typer.Option(help="Only this row, as `show` numbers it; may be given again.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let rows of a batch in after all, all of them or some, and compute the features anew that look back on them.

    Rows without a key, of another type or of another day fit into no table and stay.
    """
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.quarantine import release_from_quarantine

    print_result(
        release_from_quarantine(pipeline, batch, rows=row, by=by or _person(), why=why),
        as_json=as_json,
    )


def _person() -> str:
    """Who is at the keyboard, as far as this machine knows."""
    import getpass

    from healing.errors import UsageError

    try:
        return getpass.getuser()
    except (KeyError, OSError) as exc:
        raise UsageError("this machine does not know who you are; say it with --by") from exc


def _describe(note: "QuarantineNote", original: str) -> None:
    print(f"{note.batch_id} from {note.source}: {note.quarantined} of {note.received} rows, as sent in {original}")
    for reason, rows in sorted(note.reasons.items(), key=lambda item: -item[1]):
        print(f"  {rows:>6}  {reason}")
    for each in note.vouched:
        print(f"  released {len(each.rows)} rows on {each.at:%Y-%m-%d} by {each.by}: {each.why}")
