"""The manifest: all that a server has to know about a model before it opens it."""

import hashlib
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from healing.errors import ModelCorrupt

MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "model.sig"

Scalar = str | bool | int | float | None  # int too: 12 read back as 12.0 is no whole number to the gateway
ColumnType = Literal["string", "double", "long", "boolean"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Frozen):
    """One input column, in MLflow's type names. A missing value is allowed where `nullable`."""

    name: str
    type: ColumnType
    nullable: bool = True


class InputSchema(_Frozen):
    """The columns the model reads, in order, and the key that a request may carry beside them.

    The key is logged with the prediction, to join a label to it later; the model never sees it.
    """

    key: str | None = None
    columns: tuple[Column, ...] = Field(min_length=1)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


class NumericProfile(_Frozen):
    """A numeric column in training. `quantiles` at 0, 5, 25, 50, 75, 95 and 100 %."""

    median: float | None
    mean: float | None
    quantiles: tuple[float, ...]
    null_share: float = Field(ge=0, le=1)


class ReferenceProfile(_Frozen):
    """What training data and predictions looked like; `categorical` maps a column's categories to their share.

    `answer_deciles` (0, 10 … 100 %) are of its answers on held-out rows, later than all it learned from: what it should
    answer live. `disagreement` is how far from the champion of that time it was on nine in ten of these rows at most.
    `importance` is what a shuffled column adds to the loss there (permutation importance; the unit is the loss's).
    Empty or None in a manifest that is older than the field, and where there was nothing to measure.
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
    """Rows with the outputs the model gave when it was published; a loader must get the same within `tolerance`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...] = Field(min_length=1)
    outputs: tuple[float, ...] = Field(min_length=1)
    tolerance: float = Field(default=1e-9, ge=0)


class Manifest(_Frozen):
    """What `models/<digest>/manifest.json` holds; `digest` in that path is the SHA-256 of this document's bytes.

    `files` maps each file of the model (path relative to its directory) to the SHA-256 of its bytes, so the digest of
    the manifest fixes every byte of the model.
    """

    schema_version: Literal[1] = 1
    pipeline: str
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    created_at: AwareDatetime
    files: dict[str, str]
    flavor: Literal["sklearn-skops"] = "sklearn-skops"
    model_file: str = "model.skops"
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
    training_seconds: float = Field(ge=0)

    def to_bytes(self) -> bytes:
        """The document's canonical bytes: what the digest is taken of."""
        return self.model_dump_json(indent=1).encode()


def digest_of(manifest_bytes: bytes) -> str:
    """The SHA-256 (64 hex digits) that names the model."""
    return hashlib.sha256(manifest_bytes).hexdigest()


def parse_manifest(manifest_bytes: bytes, origin: str) -> Manifest:
    """Read a manifest, or raise ModelCorrupt naming `origin`."""
    try:
        return Manifest.model_validate_json(manifest_bytes)
    except ValidationError as exc:
        raise ModelCorrupt(
            f"{origin} is not a model manifest: {exc.error_count()} errors, first {exc.errors()[0]}"
        ) from exc
