"""The manifest of a model: what a server must know about it before loading it."""

import hashlib
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from healing.errors import ModelCorrupt
from releases.output import Output

MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "model.sig"

Scalar = str | bool | int | float | None  # int too: 12 read back as 12.0 is no whole number to the gateway
GOLDEN_ROWS = 16  # of a model: enough to reach every important branch, few enough to check at every load
Flavor = Literal["sklearn-skops", "lightgbm", "xgboost", "catboost", "onnx", "mlflow-pyfunc"]
ColumnType = Literal["string", "double", "float", "long", "integer", "boolean", "datetime"]


def file_inside(name: str) -> str:
    """The name, if it is a path inside the model's directory; else ValueError."""
    path = PurePosixPath(name)
    if path == PurePosixPath() or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"expected the path of a file inside the model's directory, found {name!r}")
    return name


FileName = Annotated[str, AfterValidator(file_inside)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Frozen):
    """One input column, with MLflow's type names. Missing values are allowed if `nullable`."""

    name: str
    type: ColumnType
    nullable: bool = True


class InputSchema(_Frozen):
    """The model's input columns, in order, and the key that a request may contain.

    The key is logged with the prediction, to join a label later; the model does not get it. `numbers` says which dtypes
    the model gets: float64 for each number, as our own training uses, or the dtypes of the declared column types.
    """

    key: str | None = None
    columns: tuple[Column, ...] = Field(min_length=1)
    numbers: Literal["float64", "declared"] = "float64"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


class NumericProfile(_Frozen):
    """A numeric column of the training data. `quantiles` at 0, 5, 25, 50, 75, 95 and 100 %."""

    median: float | None
    mean: float | None
    quantiles: tuple[float, ...]
    null_share: float = Field(ge=0, le=1)


class ReferenceProfile(_Frozen):
    """Profile of training data and predictions; `categorical` maps a column's categories to their shares.

    `answer_deciles` (0, 10 … 100 %) are of its answers to held-out rows, which are later than its training data: live
    answers are expected to be distributed the same way. `disagreement` is the largest distance between its answers and
    the champion's at that time on nine in ten of these rows. `importance` is the increase of the loss when a column is
    shuffled (permutation importance, in the loss's unit). Empty or None in a manifest that is older than the field, and
    where it could not be measured.
    """

    rows: int = Field(ge=0)
    numeric: dict[str, NumericProfile] = Field(default_factory=dict)
    categorical: dict[str, dict[str, float]] = Field(default_factory=dict)
    prediction_quantiles: tuple[float, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    answer_deciles: tuple[float, ...] = Field(default=(), max_length=11)
    disagreement: float | None = Field(default=None, ge=0)
    importance: dict[str, float] = Field(default_factory=dict)


class Golden(_Frozen):
    """Rows with the model's outputs at publishing; a loader must get the same outputs within `tolerance`.

    `outputs` has the value of each row, `matrix` all numbers of each row of a model with several outputs.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...] = Field(min_length=1)
    outputs: tuple[float, ...] = Field(min_length=1)
    matrix: tuple[tuple[float, ...], ...] = ()
    tolerance: float = Field(default=1e-9, ge=0)


class ComparedFit(_Frozen):
    """The fit that was compared on held-out rows, where the model is a refit of its recipe on all rows.

    `answers_file` is a Parquet file of the model with the keys of held-out rows and the compared fit's answers. It had
    not learned these rows, so they show what to expect of the recipe on new rows.
    """

    trained_until: str
    mlflow_run_id: str | None = None
    mlflow_model_version: str | None = None
    model_sha256: str = ""
    answers_file: str


class Manifest(_Frozen):
    """The document `models/<digest>/manifest.json`; the digest in the path is the SHA-256 of the document's bytes.

    `files` maps each file of the model (path relative to its directory) to the SHA-256 of its bytes, so the digest of
    the manifest fixes every byte of the model. `output` is None in manifests of models with one number per row, whose
    kind follows from the estimator; `baseline_outputs` are the baseline answer of a model with several outputs.
    `compared` is None if the model was compared as it is.
    """

    schema_version: Literal[1] = 1
    pipeline: str
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    created_at: AwareDatetime
    files: dict[FileName, str]
    flavor: Flavor = "sklearn-skops"
    model_file: FileName = "model.skops"
    mlflow_run_id: str | None = None
    mlflow_model_version: str | None = None
    lake_version: int | None = None
    lake_version_labels: int | None = None
    trained_from: str
    trained_until: str
    code_revision: str
    requirements_sha256: str
    input_schema: InputSchema
    reference: ReferenceProfile
    golden: Golden
    baseline: float
    baseline_outputs: tuple[float, ...] = ()
    output: Output | None = None
    training_seconds: float = Field(ge=0)
    compared: ComparedFit | None = None

    @model_validator(mode="after")
    def _check_output(self) -> Self:
        width = 0 if self.output is None else self.output.width
        if any(len(row) != width for row in (self.baseline_outputs, *self.golden.matrix)):
            raise ValueError(f"baseline_outputs and each row of the golden matrix have {width} numbers")
        if len(self.golden.matrix) != (len(self.golden.outputs) if width else 0):
            raise ValueError("the golden matrix has a row for each golden output of a model with several outputs")
        return self

    def to_bytes(self) -> bytes:
        """The document's canonical bytes, of which the digest is taken."""
        return self.model_dump_json(indent=1).encode()


def digest_of(manifest_bytes: bytes) -> str:
    """The model's digest: SHA-256, 64 hex digits."""
    return hashlib.sha256(manifest_bytes).hexdigest()


def parse_manifest(manifest_bytes: bytes, origin: str) -> Manifest:
    """Read a manifest; ModelCorrupt names `origin`."""
    try:
        return Manifest.model_validate_json(manifest_bytes)
    except ValidationError as exc:
        raise ModelCorrupt(
            f"{origin} is not a model manifest: {exc.error_count()} errors, first {exc.errors()[0]}"
        ) from exc
