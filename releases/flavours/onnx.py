"""ONNX graphs, run by ONNX Runtime: one input per column, or one input for all columns."""

from typing import Any

from healing.errors import ModelCorrupt
from releases.flavours.registry import MODEL_FILES, ModelSource
from releases.flavours.scores import ScoredModel
from releases.output import Output

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}


def read(source: ModelSource) -> ScoredModel:
    """The graph. The type of an output says what it is: labels are integers or strings, scores are floats."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            source.content(MODEL_FILES["onnx"]), options, providers=["CPUExecutionProvider"]
        )
    except Exception as exc:  # its errors have no common class of their own
        raise ModelCorrupt(f"{source.origin} cannot be read as an ONNX graph: {str(exc)[:500]}") from exc
    for tensor in session.get_inputs():
        if tensor.type not in _DTYPES:
            raise ModelCorrupt(f"{source.origin}: input {tensor.name!r} has the type {tensor.type}, expected a tensor")
    output = source.known_output()
    scores, labels = _outputs(session, output, source.origin)

    def run(name: str) -> Any:
        return lambda rows: session.run([name], _inputs(session, rows))[0]

    return ScoredModel(run(scores) if scores else run(labels), output, run(labels) if labels else None)


def _outputs(session: Any, output: Output, origin: str) -> tuple[str, str]:
    """The names of the outputs with scores and with labels; empty where the graph has none."""
    scores = [tensor.name for tensor in session.get_outputs() if tensor.type in ("tensor(float)", "tensor(double)")]
    labels = [tensor.name for tensor in session.get_outputs() if tensor.type in ("tensor(int64)", "tensor(string)")]
    if not (scores or (labels and output.kind == "label")):
        found = ", ".join(f"{tensor.name} {tensor.type}" for tensor in session.get_outputs())
        raise ModelCorrupt(f"{origin} has no output of floats (convert it without ZipMap); found {found}"[:500])
    return (scores or [""])[0], (labels or [""])[0]


def _inputs(session: Any, rows: Any) -> dict[str, Any]:
    tensors = session.get_inputs()
    if len(tensors) == 1 and len(rows.columns) != 1:
        return {tensors[0].name: rows.to_numpy(dtype=_DTYPES[tensors[0].type])}
    return {
        tensor.name: rows[tensor.name].to_numpy(dtype=_DTYPES[tensor.type]).reshape(len(rows), 1)
        if len(tensor.shape) == 2
        else rows[tensor.name].to_numpy(dtype=_DTYPES[tensor.type])
        for tensor in tensors
    }
