"""`autopilot publish`: store and sign a model that was trained elsewhere, so that it can be released."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument


@dataclass(frozen=True, slots=True)
class PublishReport:
    """A published model. `new_columns` are those that the champion does not read, `unused_columns` the reverse."""

    result: str
    digest: str
    version: str
    flavor: str
    columns: tuple[str, ...]
    new_columns: tuple[str, ...]
    unused_columns: tuple[str, ...]
    rows: int
    baseline: float
    next: str


def publish(
    pipeline: PipelineArgument,
    model: Annotated[Path, typer.Argument(help="Model file, or directory of an MLflow model.", show_default=False)],
    rows: Annotated[
        Path,
        typer.Option(help="CSV or Parquet file with some hundred rows of the model's columns.", show_default=False),
    ],
    trained_from: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day that it learned.")],
    trained_until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day that it learned.")],
    *,
    output: Annotated[
        str, typer.Option(help="What it answers: probability, label, probabilities, value or values.")
    ] = "probability",
    names: Annotated[
        str, typer.Option(help="Classes or outputs in the model's order, separated by commas.", show_default=False)
    ] = "",
    flavor: Annotated[
        str | None, typer.Option(help="Kind of file; without it the suffix decides.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Column of the rows that identifies one; no input.", show_default=False)
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="MAJOR.MINOR.PATCH; without it the next one.", show_default=False)
    ] = None,
    allow_pyfunc: Annotated[
        bool, typer.Option("--allow-pyfunc", help="Open an MLflow model, which runs code from its files.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store and sign a model that was trained elsewhere. Nothing serves it before `autopilot release`.

    It is opened as a gateway opens it, and its answers to the rows are kept: a gateway must get the same. Publishing
    the same file again changes nothing, unless another version is given.
    """
    from cli.options import settings_of
    from cli.output import print_result
    from cli.stack.home import check_home
    from releases.log import ReleaseLog
    from releases.publishing import publish_foreign
    from releases.signing import ensure_keys
    from releases.store import ModelStore
    from tasks.config.pipeline import load_pipeline
    from tasks.training.foreign_model import ForeignFile, foreign_model, published_before

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    check_home(settings.home)
    root = settings.release_root(pipeline)
    store, current = ModelStore(root), ReleaseLog(root).current()
    champion = None if current is None else store.manifest(current.champion.digest)
    given = ForeignFile(
        model=model,
        rows=rows,
        flavor=flavor,
        kind=output,
        names=tuple(name.strip() for name in names.split(",") if name.strip()),
        key=key,
        version=version,
        trained_from=trained_from.date(),
        trained_until=trained_until.date(),
    )
    foreign = foreign_model(pipeline, given, store, champion)
    before = None if version else published_before(foreign, store)
    ref = before or publish_foreign(root, ensure_keys(settings.keys_dir), foreign, allow_pyfunc=allow_pyfunc)
    known = () if champion is None else champion.input_schema.names
    columns = foreign.schema.names
    report = PublishReport(
        result="published" if before is None else "published before",
        digest=ref.digest,
        version=ref.version,
        flavor=foreign.flavor,
        columns=columns,
        new_columns=tuple(name for name in columns if champion is not None and name not in known),
        unused_columns=tuple(name for name in known if name not in columns),
        rows=len(foreign.rows),
        baseline=store.manifest(ref.digest).baseline,
        next=f"autopilot release {pipeline} {ref.digest}",
    )
    print_result(report, as_json=as_json)
