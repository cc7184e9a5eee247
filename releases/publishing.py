"""Publishing a model that was trained elsewhere: its file, its signature, and rows that show what it answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from healing.errors import ModelCorrupt
from healing.release import ModelRef
from releases.answers import answers_of, values_of
from releases.flavours.registry import MODEL_FILES, ModelSource, read_model
from releases.manifest import GOLDEN_ROWS, Flavor, Golden, InputSchema, Manifest, ReferenceProfile, Scalar
from releases.model_inputs import frame_of
from releases.output import Output
from releases.profile import DECILES, QUANTILES, category_shares, numeric_profile, quantiles_of
from releases.release_root import ReleaseRoot
from releases.signing import Keys
from releases.store import ModelStore

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DECILES_ROWS_MIN = 200  # from fewer rows, the check of a challenger's answers would abort sound ones
_TOLERANCES = {"onnx": 1e-6, "xgboost": 1e-6}  # they compute in 32 bits, and processors differ in the last of these


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """A model and what its file does not say.

    `rows` are some hundred rows in the order of the schema, best from days after those that it was trained on.
    `files` maps each path to its bytes: for most flavours the one path of `MODEL_FILES`. `baseline` is the answer when
    no model answers: by default the most frequent label, or the mean of the answers to `rows`.
    """

    pipeline: str
    version: str
    flavor: Flavor
    files: Mapping[str, bytes]
    schema: InputSchema
    output: Output
    rows: Sequence[Sequence[Scalar]]
    trained_from: str
    trained_until: str
    code_revision: str = ""
    requirements_sha256: str = ""
    baseline: float | None = None
    trusted_types: frozenset[str] = frozenset()

    @classmethod
    def of_file(cls, content: bytes, flavor: Flavor, **fields: Any) -> "ForeignModel":
        """A model of one file."""
        return cls(files={MODEL_FILES[flavor]: content}, flavor=flavor, **fields)


def publish_foreign(
    release_root: ReleaseRoot,
    keys: Keys,
    model: ForeignModel,
    *,
    allow_pyfunc: bool = False,
    created_at: datetime | None = None,
) -> ModelRef:
    """Open the model as a gateway does, record its answers to the rows, and store and sign it.

    ModelCorrupt where it cannot be opened, or answers no row with finite numbers.
    """
    source = ModelSource(f"model {model.version}", model.files, model.output, model.trusted_types, allow_pyfunc)
    estimator = read_model(model.flavor, source)
    frame = frame_of(model.schema, model.schema.names, model.rows)
    manifest = _manifest(model, frame, answers_of(estimator, frame, model.output), created_at or datetime.now(UTC))
    return ModelStore(release_root).publish(model.files, manifest, keys)


def _manifest(
    model: ForeignModel, frame: "pd.DataFrame", answers: "NDArray[np.float64]", created_at: datetime
) -> Manifest:
    import numpy as np

    values = values_of(answers)
    finite = np.flatnonzero(np.isfinite(values))
    if not finite.size:
        raise ModelCorrupt(f"expected finite answers to {len(values)} rows, found none; check the file and its output")
    matrix = answers[:, 1:] if answers.ndim == 2 else None
    return Manifest(
        pipeline=model.pipeline,
        version=model.version,
        created_at=created_at,
        files={},
        flavor=model.flavor,
        model_file=MODEL_FILES[model.flavor],
        trained_from=model.trained_from,
        trained_until=model.trained_until,
        code_revision=model.code_revision,
        requirements_sha256=model.requirements_sha256,
        input_schema=model.schema,
        reference=_profile(model.schema, frame, values[finite]),
        golden=_golden(model, finite[:GOLDEN_ROWS], values, matrix),
        baseline=_baseline(model.output, values[finite]) if model.baseline is None else model.baseline,
        baseline_outputs=() if matrix is None else tuple(matrix[finite].mean(axis=0).tolist()),
        output=model.output,
        training_seconds=0.0,
    )


def _golden(
    model: ForeignModel, places: "NDArray[np.intp]", values: "NDArray[np.float64]", matrix: "NDArray[np.float64] | None"
) -> Golden:
    return Golden(
        columns=model.schema.names,
        rows=tuple(tuple(model.rows[place]) for place in places),
        outputs=tuple(values[places].tolist()),
        matrix=() if matrix is None else tuple(map(tuple, matrix[places].tolist())),
        tolerance=_TOLERANCES.get(model.flavor, 1e-9),
    )


def _baseline(output: Output, values: "NDArray[np.float64]") -> float:
    if output.kind in ("label", "probabilities"):
        return float(Counter(values.tolist()).most_common(1)[0][0])
    return float(values.mean())


def _profile(schema: InputSchema, frame: "pd.DataFrame", values: "NDArray[np.float64]") -> ReferenceProfile:
    strings = [column.name for column in schema.columns if column.type == "string"]
    numbers = [column.name for column in schema.columns if column.type not in ("string", "datetime")]
    return ReferenceProfile(
        rows=len(frame),
        numeric={name: numeric_profile(frame[name].astype("float64")) for name in numbers},
        categorical={name: category_shares(frame[name]) for name in strings},
        prediction_quantiles=quantiles_of(values, QUANTILES),
        answer_deciles=quantiles_of(values, DECILES) if len(values) >= DECILES_ROWS_MIN else (),
    )
