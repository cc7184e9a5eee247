"""A shorter path through a pipeline: most of the cost of a one-row answer is scikit-learn passing frames around.

A fitted Pipeline whose first step is a ColumnTransformer chooses columns of a frame, runs its transformers by way of a
job queue, and stacks what they give. Here the columns come as lists, each transformer gets its own, and the rest of the
pipeline runs as it is: every number is computed by the same fitted objects. `shorten` gives such a way only where it
gives the model's own answers to the last bit; any doubt leaves the model as it is
(docs/decisions/0014-call-pipeline-steps-directly.md).

A transformer gets an array where it can: to examine a frame and its names takes an encoder longer than to encode some
rows. Fitted on a frame, it would warn of an array without names, so a copy of it is asked that knows no names.
"""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from releases.answers import answers_of
from releases.manifest import Golden, InputSchema
from releases.model_inputs import dtype_of, frame_of, frame_of_columns
from releases.output import Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Columns = Sequence[Sequence[Any]]
PredictColumns = Callable[[Columns], "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True)
class ServedEstimator:
    """An estimator with what a gateway knows of it: its inputs, its golden rows, and what its answers mean."""

    estimator: Any  # scikit-learn has no types
    schema: InputSchema
    golden: Golden
    output: Output | None = None

    def own_answer(self, columns: Columns) -> "NDArray[np.float64]":
        """The estimator's answer to columns (lists in the schema's order), by way of a frame."""
        return answers_of(self.estimator, frame_of_columns(self.schema, columns), self.output)

    def shortest_answer(self) -> PredictColumns:
        """The way by which a worker answers: the shorter path where it gives the same answers, else the own one."""
        return shorten(self) or self.own_answer


@dataclass(frozen=True, slots=True)
class _Part:
    """One transformer, or None for columns that pass as they are; where its columns stand, and their names."""

    transformer: Any
    places: tuple[int, ...]
    names: Any  # a pandas Index, made once: looking names up in a new one costs as much as the transformer
    textual: bool

    def without_names(self) -> "_Part":
        """The part with a transformer that takes arrays, where names are all that it remembers of a frame."""
        if self.transformer is None or "feature_names_in_" not in vars(self.transformer):
            return self
        nameless = copy.copy(self.transformer)
        del nameless.feature_names_in_
        return replace(self, transformer=nameless, names=None)


def shorten(model: ServedEstimator) -> PredictColumns | None:
    """A way from columns (lists in the schema's order) to answers, or None where the model's own is the only one."""
    parts = _parts(model)
    if parts is None:
        return None
    nameless = _answer(model, [part.without_names() for part in parts])
    if _agrees(model, _raising_warnings(nameless)):
        return nameless
    named = _answer(model, parts)
    return named if _agrees(model, named) else None


def _raising_warnings(answer: PredictColumns) -> PredictColumns:
    """The same answers, and an error where a step warns, for example of missing names."""

    def ask(columns: Columns) -> "NDArray[np.float64]":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return answer(columns)

    return ask


def _answer(model: ServedEstimator, parts: Sequence[_Part]) -> PredictColumns:
    """The pipeline's answer, with its first step done part by part."""
    (_, *steps) = (step for _, step in model.estimator.steps)
    *between, last = steps
    output = model.output

    def answer(columns: Columns) -> "NDArray[np.float64]":
        import numpy as np

        features = np.hstack([_output(part, columns) for part in parts])
        for step in between:
            features = step.transform(features)
        return answers_of(last, features, output)

    return answer


def _parts(model: ServedEstimator) -> list[_Part] | None:
    """What the ColumnTransformer does, part by part; None for a model of another build."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    pipeline, schema = model.estimator, model.schema
    usual = {dtype_of(column, schema) for column in schema.columns} <= {"object", "float64"}
    if not usual or type(pipeline) is not Pipeline or len(pipeline.steps) < 2:
        return None
    first = pipeline.steps[0][1]
    if type(first) is not ColumnTransformer or first.sparse_output_ or first.transformer_weights:
        return None
    parts = []
    for _, transformer, wanted in first.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        if not isinstance(wanted, list) or not set(wanted) <= set(schema.names):
            return None
        places = tuple(schema.names.index(name) for name in wanted)
        kinds = {schema.columns[place].type == "string" for place in places}
        if len(kinds) != 1:
            return None
        (textual,) = kinds
        passes = _passes(transformer)
        if passes and textual:
            return None
        parts.append(_Part(None if passes else transformer, places, pd.Index(wanted, dtype=object), textual))
    return parts or None


def _passes(transformer: Any) -> bool:
    """Whether columns pass as they are: scikit-learn puts an identity where a user wrote "passthrough"."""
    from sklearn.preprocessing import FunctionTransformer

    return type(transformer) is FunctionTransformer and transformer.func is None and not transformer.validate


def _output(part: _Part, columns: Columns) -> Any:
    import numpy as np
    import pandas as pd

    chosen = [columns[place] for place in part.places]
    if part.textual:
        values = np.empty((len(chosen[0]), len(chosen)), dtype=object)
        for place, column in enumerate(chosen):
            values[:, place] = column
    else:
        values = np.array(chosen, dtype=np.float64).T
    if part.transformer is None:
        return values
    output = part.transformer.transform(values if part.names is None else pd.DataFrame(values, columns=part.names))
    return output.toarray() if hasattr(output, "toarray") else output


def _agrees(model: ServedEstimator, answer: PredictColumns) -> bool:
    """Whether the short way gives the model's own answers, bit by bit: to the golden rows, and with values missing."""
    golden, schema = model.golden, model.schema
    order = [golden.columns.index(name) for name in schema.names]
    rows = [[row[place] for place in order] for row in golden.rows]
    holes = [
        [None if place == hole else value for place, value in enumerate(rows[hole % len(rows)])]
        for hole, column in enumerate(schema.columns)
        if column.nullable
    ]
    asked = [rows, rows[:1], *([holes] if holes else [])]
    return all(_same(model, answer, each) for each in asked)


def _same(model: ServedEstimator, answer: PredictColumns, rows: Sequence[Sequence[Any]]) -> bool:
    import numpy as np

    frame = frame_of(model.schema, model.schema.names, rows)
    own = _outcome(lambda: answers_of(model.estimator, frame, model.output))
    short = _outcome(lambda: answer(list(zip(*rows, strict=True))))
    if own is None or short is None:
        return own is short  # what one refuses the other refuses too
    return np.array_equal(own, short, equal_nan=True)


def _outcome(ask: Callable[[], "NDArray[np.float64]"]) -> "NDArray[np.float64] | None":
    """An answer, or None where the rows are refused."""
    try:
        return ask()
    except Exception:  # noqa: BLE001  the estimator is somebody's model, and may raise anything
        return None
