"""A model that was trained elsewhere: its file, and rows that say which columns it reads, as a model to publish."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from healing.errors import ModelCorrupt, UsageError
from healing.release import ModelRef
from healing.versioning import following_highest
from releases.flavours.registry import MODEL_FILES
from releases.manifest import Column, ColumnType, Flavor, InputSchema, Manifest, Scalar
from releases.output import Name, Output, OutputKind
from releases.publishing import ForeignModel
from releases.store import ModelStore

if TYPE_CHECKING:
    import pandas as pd

ROWS_MAX = 2000  # spread over the file; the profile of more would say the same
_FLAVORS: Mapping[str, Flavor] = {Path(file).suffix: flavor for flavor, file in MODEL_FILES.items() if "/" not in file}
_PICKLES = (".pkl", ".pickle", ".joblib")
_TYPES: Mapping[str, ColumnType] = {"b": "boolean", "i": "long", "u": "long", "f": "double", "M": "datetime"}


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """What a person says about a model of another origin.

    `model` is a file, or the directory of an MLflow model. `rows` is a CSV or Parquet file with the model's columns in
    their order, and with the key's column where clients send one. Without a `flavor` the file's suffix decides it.
    """

    model: Path
    rows: Path
    flavor: str | None
    kind: str
    names: tuple[str, ...]
    key: str | None
    version: str | None
    trained_from: date
    trained_until: date


def foreign_model(pipeline: str, given: ForeignFile, store: ModelStore, champion: Manifest | None) -> ForeignModel:
    """The model with its schema, which has the champion's types for the columns that the champion reads too.

    Without a version in `given` it gets the next minor one, or the next major one if its columns are not the
    champion's. UsageError where the file, its rows, the output or the version cannot be used.
    """
    flavor = _flavor(given)
    frame = _rows(given.rows)
    if given.key is not None and given.key not in frame.columns:
        raise UsageError(f"expected the key {given.key!r} among the columns of {given.rows}, found {list(frame)}")
    if given.trained_from > given.trained_until:
        raise UsageError(f"expected --trained-from before --trained-until, found {given.trained_from}")
    schema = _schema(frame, given, champion)
    return ForeignModel(
        pipeline=pipeline,
        version=_version(given.version, store, schema, champion),
        flavor=flavor,
        files=_files(given.model, flavor),
        schema=schema,
        output=_output(given),
        rows=_as_json(frame[list(schema.names)], schema),
        trained_from=given.trained_from.isoformat(),
        trained_until=given.trained_until.isoformat(),
    )


def published_before(model: ForeignModel, store: ModelStore) -> ModelRef | None:
    """The published model of the same file, schema, output and days, of whichever version; None without one."""
    files = {name: sha256(content).hexdigest() for name, content in model.files.items()}
    wanted = (files, model.schema, model.output, model.trained_from, model.trained_until)
    for digest, found in _manifests(store):
        if wanted == (found.files, found.input_schema, found.output, found.trained_from, found.trained_until):
            return ModelRef(digest=digest, version=found.version)
    return None


def _flavor(given: ForeignFile) -> Flavor:
    known = get_args(Flavor)
    if not given.model.exists():
        raise UsageError(f"expected a model at {given.model}, found nothing; give the path of its file")
    suffix = given.model.suffix.lower()
    if given.flavor is None and suffix in _PICKLES:
        raise UsageError(
            f"{given.model} is a pickle, which may run any code when it is opened; save the model in its library's own "
            "format, or a scikit-learn model with skops.io.dump"
        )
    found = given.flavor or ("mlflow-pyfunc" if given.model.is_dir() else _FLAVORS.get(suffix))
    for flavor in known:
        if found == flavor:
            return flavor  # type: ignore[no-any-return]  # get_args gives no types
    raise UsageError(
        f"expected one of the flavours {', '.join(known)}, found {found or f'the suffix {suffix!r}'}; give --flavor"
    )


def _files(model: Path, flavor: Flavor) -> Mapping[str, bytes]:
    target = Path(MODEL_FILES[flavor])
    if not model.is_dir():
        return {str(target): model.read_bytes()}
    files = {
        (target.parent / path.relative_to(model)).as_posix(): path.read_bytes()
        for path in sorted(model.rglob("*"))
        if path.is_file()
    }
    if str(target) not in files:
        raise UsageError(f"expected the file {target.name} in the directory {model}, found {sorted(files)[:5]}")
    return files


def _rows(path: Path) -> "pd.DataFrame":
    import pandas as pd

    if not path.is_file():
        raise UsageError(f"expected a CSV or Parquet file of rows at {path}, found none")
    try:
        frame = pd.read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else pd.read_csv(path)
    except (ValueError, OSError) as exc:
        raise UsageError(f"{path} cannot be read as {'Parquet' if 'parquet' in path.suffix else 'CSV'}: {exc}") from exc
    if frame.empty:
        raise UsageError(f"expected rows in {path}, found none; a few hundred show how the model answers")
    places = range(0, len(frame), -(-len(frame) // ROWS_MAX))
    return frame.iloc[list(places)].reset_index(drop=True)


def _schema(frame: "pd.DataFrame", given: ForeignFile, champion: Manifest | None) -> InputSchema:
    known = {} if champion is None else {column.name: column for column in champion.input_schema.columns}
    is_text = given.rows.suffix.lower() not in (".parquet", ".pq")
    key = given.key or (None if champion is None else champion.input_schema.key)
    names = [str(name) for name in frame.columns if name != key]
    if not names:
        raise UsageError(f"expected columns of the model in {given.rows}, found only the key {key!r}")
    columns = tuple(known.get(name) or Column(name=name, type=_type(frame[name], is_text)) for name in names)
    return InputSchema(key=key, columns=columns, numbers="declared")


def _type(values: "pd.Series[Any]", is_text: bool) -> ColumnType:
    """The column's type. Whole numbers of a CSV are doubles: a few rows do not show that no fraction ever comes."""
    found = _TYPES.get(getattr(values.dtype, "kind", "O"), "string")
    return "double" if found == "long" and is_text else found


def _as_json(frame: "pd.DataFrame", schema: InputSchema) -> list[list[Scalar]]:
    """Rows as a client sends them: missing values are null, times ISO 8601 texts, whole numbers integers."""
    columns = [_values(frame[column.name], column.type) for column in schema.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _values(values: "pd.Series[Any]", kind: ColumnType) -> list[Scalar]:
    missing = values.isna().tolist()
    if kind == "datetime":
        import pandas as pd

        values = pd.to_datetime(values).dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    convert = {"string": str, "long": int, "integer": int, "boolean": bool, "datetime": str}.get(kind, float)
    try:
        return [None if gone else convert(value) for value, gone in zip(values.tolist(), missing, strict=True)]
    except ValueError as exc:
        raise UsageError(f"column {values.name!r}: expected values of type {kind}, found {exc}") from exc


def _output(given: ForeignFile) -> Output:
    if given.kind not in get_args(OutputKind):
        raise UsageError(f"expected one of the outputs {', '.join(get_args(OutputKind))}, found {given.kind!r}")
    try:
        return Output.model_validate({"kind": given.kind, "names": tuple(_name(name) for name in given.names)})
    except ValueError as exc:
        raise UsageError(f"--names do not fit an output of kind {given.kind!r}: {exc}") from exc


def _name(text: str) -> Name:
    """A class's name; a whole number is one, as in the labels that the model was trained on."""
    return int(text) if text.lstrip("-").isdigit() else text


def _version(wanted: str | None, store: ModelStore, schema: InputSchema, champion: Manifest | None) -> str:
    taken = frozenset(found.version for _, found in _manifests(store))
    if wanted is None:
        read = None if champion is None else champion.input_schema.columns
        return following_highest(taken, other_columns=schema.columns != read)
    if wanted in taken:
        raise UsageError(f"version {wanted} is that of a published model; choose another, or leave --version out")
    return wanted


def _manifests(store: ModelStore) -> Iterator[tuple[str, Manifest]]:
    for digest in store.digests():
        try:
            yield digest, store.manifest(digest)
        except ModelCorrupt:
            continue  # it serves nothing, and the healer reports it
