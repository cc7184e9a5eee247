"""Models of each library in its own file: published, verified, loaded, and answering as the library itself does."""

import importlib

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skops import io

from healing.errors import ConfigError, ModelCorrupt
from releases.flavours.registry import MODEL_FILES, ModelSource, read_model
from releases.loader import load
from releases.manifest import Column, InputSchema
from releases.output import Output
from releases.publishing import ForeignModel, publish_foreign
from releases.signing import ensure_keys
from releases.store import ModelStore

FIELDS = {"pipeline": "tiny", "version": "1.0.0", "trained_from": "2013-01-01", "trained_until": "2013-03-01"}
NUMBERS = InputSchema(columns=(Column(name="distance", type="double"), Column(name="hour", type="long")))
TEXTS = InputSchema(columns=(Column(name="carrier", type="string"), *NUMBERS.columns))
_GENERATOR = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "carrier": _GENERATOR.choice(["AA", "B6", "UA"], 240),
        "distance": _GENERATOR.uniform(0, 9, 240).round(3),
        "hour": _GENERATOR.integers(0, 24, 240).astype(float),
    }
)
FRAME.loc[::17, "distance"] = np.nan
LATE = (FRAME["distance"].fillna(4) + (FRAME["carrier"] == "UA") * 3 > 6).astype(int)
THIRDS = (FRAME["distance"].fillna(4) // 3).astype(int)
PROBABILITY = Output(kind="probability")
CLASSES = Output(kind="probabilities", names=(0, 1, 2))
LABEL = Output(kind="label", names=("near", "middle", "far"))
VALUE = Output(kind="value")
TARGETS = {"probability": LATE, "probabilities": THIRDS, "label": THIRDS, "value": FRAME["distance"].fillna(4) * 2}


def library(name: str):
    """The library behind a flavour; without it the test is skipped, as it is an optional extra."""
    return pytest.importorskip(name)


def train_lightgbm(kind: str) -> tuple[bytes, InputSchema, object]:
    lightgbm = library("lightgbm")
    objective = {"value": "regression", "probability": "binary"}.get(kind, "multiclass")
    rows = FRAME.astype({"carrier": "category"})
    options = {"objective": objective, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    options |= {"num_class": 3} if objective == "multiclass" else {}
    booster = lightgbm.train(options, lightgbm.Dataset(rows, TARGETS[kind]), num_boost_round=5)
    return booster.model_to_string().encode(), TEXTS, booster.predict(rows)


def train_xgboost(kind: str) -> tuple[bytes, InputSchema, object]:
    xgboost = library("xgboost")
    objective = {"value": "reg:squarederror", "probability": "binary:logistic"}.get(kind, "multi:softprob")
    rows = FRAME[list(NUMBERS.names)]
    options = {"objective": objective, "nthread": 1} | ({"num_class": 3} if objective == "multi:softprob" else {})
    booster = xgboost.train(options, xgboost.DMatrix(rows, TARGETS[kind]), num_boost_round=5)
    return bytes(booster.save_raw("ubj")), NUMBERS, booster.predict(xgboost.DMatrix(rows))


def train_catboost(kind: str, tmp_path) -> tuple[bytes, InputSchema, object]:
    catboost = library("catboost")
    options = {"iterations": 5, "thread_count": 1, "verbose": False, "allow_writing_files": False}
    classifier = kind != "value"
    model = (catboost.CatBoostClassifier if classifier else catboost.CatBoostRegressor)(**options)
    model.fit(FRAME, TARGETS[kind], cat_features=["carrier"])
    model.save_model(str(tmp_path / "model.cbm"))
    scores = model.predict_proba(FRAME) if classifier else model.predict(FRAME)
    return (tmp_path / "model.cbm").read_bytes(), TEXTS, scores[:, 1] if kind == "probability" else scores


def graph_of(kind: str) -> tuple[bytes, InputSchema, object]:
    """A linear ONNX graph with an input per column, and a softmax where it answers classes."""
    library("onnxruntime")
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    width = {"value": 1, "probability": 1}.get(kind, 3)
    weights = np.array([[0.5, -1.0, 0.25], [0.01, 0.02, -0.03]], dtype=np.float32)[:, :width]
    nodes = [
        helper.make_node("Concat", ["distance", "hour"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "weights"], ["linear"]),
    ]
    last = {"value": "Identity", "probability": "Sigmoid"}.get(kind, "Softmax")
    nodes.append(helper.make_node(last, ["linear"], ["scores"]))
    inputs = [helper.make_tensor_value_info(name, floats, [None, 1]) for name in NUMBERS.names]
    outputs = [helper.make_tensor_value_info("scores", floats, [None, width])]
    tensor = onnx.numpy_helper.from_array(weights, "weights")
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    linear = FRAME[list(NUMBERS.names)].to_numpy(dtype=np.float32) @ weights
    if kind == "value":
        return model.SerializeToString(), NUMBERS, linear[:, 0]
    if kind == "probability":
        return model.SerializeToString(), NUMBERS, 1 / (1 + np.exp(-linear[:, 0]))
    powers = np.exp(linear - linear.max(axis=1, keepdims=True))
    return model.SerializeToString(), NUMBERS, powers / powers.sum(axis=1, keepdims=True)


def trained(flavor: str, kind: str, tmp_path) -> tuple[bytes, InputSchema, np.ndarray]:
    """The file, the schema, and the library's own scores."""
    content, schema, scores = {
        "lightgbm": lambda: train_lightgbm(kind),
        "xgboost": lambda: train_xgboost(kind),
        "catboost": lambda: train_catboost(kind, tmp_path),
        "onnx": lambda: graph_of(kind),
    }[flavor]()
    return content, schema, np.asarray(scores)


def rows_of(schema: InputSchema) -> list[list]:
    rows = FRAME[list(schema.names)].astype(object)
    return rows.where(rows.notna(), None).to_numpy().tolist()


@pytest.mark.parametrize("output", [PROBABILITY, CLASSES, LABEL, VALUE], ids=lambda output: output.kind)
@pytest.mark.parametrize("flavor", ["lightgbm", "xgboost", "catboost", "onnx"])
def test_a_published_file_answers_as_its_library_does(tmp_path, flavor, output):
    content, schema, scores = trained(flavor, output.kind, tmp_path)
    keys = ensure_keys(tmp_path / "keys")
    rows = rows_of(schema)
    if flavor == "onnx":  # a graph of matrices has no missing values
        rows = [row for row in rows if None not in row]
        scores = scores[FRAME["distance"].notna()]
    model = ForeignModel.of_file(content, flavor, schema=schema, output=output, rows=rows, **FIELDS)
    published = publish_foreign(tmp_path / "releases", keys, model)
    loaded = load(ModelStore(tmp_path / "releases").path(published.digest), keys.public)
    frame = FRAME[list(schema.names)] if flavor != "onnx" else FRAME.dropna()[list(schema.names)]
    answers = loaded.answers(frame.astype({"carrier": object}) if "carrier" in frame else frame)
    if output.kind == "label":
        assert answers.tolist() == scores.argmax(axis=1).tolist()
    elif output.kind == "probabilities":
        assert answers[:, 1:] == pytest.approx(scores, abs=1e-6)
    else:
        assert answers == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "wrapper", "options"),
    [
        ("lightgbm", "LGBMClassifier", {"verbose": -1, "min_child_samples": 5}),
        ("xgboost", "XGBClassifier", {}),
        ("catboost", "CatBoostClassifier", {"verbose": False, "allow_writing_files": False}),
    ],
)
def test_a_scikit_learn_wrapper_in_a_pipeline_is_published_in_skops(tmp_path, name, wrapper, options):
    last = getattr(library(name), wrapper)(n_estimators=5, **options)
    columns = make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")
    estimator = make_pipeline(columns, last).fit(FRAME, LATE)
    keys = ensure_keys(tmp_path / "keys")
    content = io.dumps(estimator)
    fields = {"schema": TEXTS, "output": PROBABILITY, "rows": rows_of(TEXTS), **FIELDS}
    published = publish_foreign(tmp_path, keys, ForeignModel.of_file(content, "sklearn-skops", **fields))
    loaded = load(ModelStore(tmp_path).path(published.digest), keys.public)
    assert loaded.predict(FRAME) == pytest.approx(estimator.predict_proba(FRAME)[:, 1], abs=1e-9)


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # MLflow warns of its own modules
def test_an_mlflow_model_of_any_flavour_is_opened_only_where_that_is_allowed(tmp_path):
    import mlflow.sklearn

    estimator = LinearRegression().fit(FRAME[["hour"]], FRAME["hour"] * 2)
    mlflow.sklearn.save_model(
        estimator, str(tmp_path / "saved"), serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
    )
    saved = [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]
    files = {f"mlflow/{path.relative_to(tmp_path / 'saved')}": path.read_bytes() for path in saved}
    schema = InputSchema(columns=(Column(name="hour", type="double"),))
    model = ForeignModel(files=files, flavor="mlflow-pyfunc", schema=schema, output=VALUE, rows=[[1.0]], **FIELDS)
    keys = ensure_keys(tmp_path / "keys")
    with pytest.raises(ModelCorrupt, match="set --allow-pyfunc"):
        publish_foreign(tmp_path / "releases", keys, model)
    published = publish_foreign(tmp_path / "releases", keys, model, allow_pyfunc=True)
    path = ModelStore(tmp_path / "releases").path(published.digest)
    with pytest.raises(ModelCorrupt, match="which runs code from its files"):
        load(path, keys.public)
    assert load(path, keys.public, allow_pyfunc=True).predict(FRAME) == pytest.approx(FRAME["hour"] * 2)


def test_a_file_of_an_mlflow_model_stays_in_its_directory():
    source = ModelSource("model 1.0.0", {"mlflow/../../outside": b""}, VALUE, allow_pyfunc=True)
    with pytest.raises(ModelCorrupt, match="inside its directory"):
        read_model("mlflow-pyfunc", source)


@pytest.mark.parametrize("flavor", ["lightgbm", "xgboost", "catboost", "onnx", "sklearn-skops"])
def test_a_file_that_is_none_of_its_flavour_is_refused(flavor):
    if flavor != "sklearn-skops":
        library("onnxruntime" if flavor == "onnx" else flavor)
    source = ModelSource("model 1.0.0", {MODEL_FILES[flavor]: b"tree\nnonsense" * 5}, VALUE)
    with pytest.raises(ModelCorrupt, match=r"model 1\.0\.0 cannot be read"):
        read_model(flavor, source)


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    library("lightgbm")
    monkeypatch.setitem(importlib.sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match="install the extra 'lightgbm'"):
        read_model("lightgbm", ModelSource("model 1.0.0", {"model.txt": b""}, VALUE))


def test_a_file_alone_does_not_say_what_it_answers(tmp_path):
    content, _, _ = trained("lightgbm", "value", tmp_path)
    with pytest.raises(ModelCorrupt, match="needs an output"):
        read_model("lightgbm", ModelSource("model 1.0.0", {"model.txt": content}, None))
