"""Variants of a published model: one correct copy, and several that are wrong in one way each.

Each is made from the model's own scikit-learn estimator with classes of scikit-learn only, so that the gateway accepts
its types, signature and golden rows. What is wrong shows on live rows alone. Only `growing` needs a class of its own,
which a gateway has to trust (`chaos/growing_model.py`).
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["VARIANTS", "PublishedVariant", "publish_variant"]

SLOW_COPIES = 60  # of the estimator in an ensemble that answers the same
BIAS = 0.6  # weight of the constant answer in a biased model
GROWTH_BYTES = 2 * 2**20  # that a growing model keeps per batch
ROW_SECONDS = 0.02  # that one row costs a model which is slow under load
TIMED_POINTS = 50_000  # training points of the first part that is timed, to find out how many cost ROW_SECONDS
TIMED_ROWS = 9
TIMED_ANSWERS = 9
# Answers to held-out rows of a model that knew more than it will know live: far from the middle on both sides.
LEAKED_DECILES = (0.0, 0.001, 0.002, 0.003, 0.004, 0.005, 0.995, 0.996, 0.997, 0.998, 1.0)
NEGLIGIBLE = 1e-12  # weight of a part that only decides whether there is an answer
FLAVOUR = "sklearn-skops"
CLASSES = 2
NUMBERS = frozenset({"double", "long", "boolean"})  # types of columns that a model gets as floating point
SIGNATURE_FILE = "model.sig"
PRIVATE_KEY = "release-signing.key.pem"

Variant = Callable[[Any, Any, list[str]], Any]  # estimator, golden rows as a frame, string columns -> estimator


@dataclass(frozen=True, slots=True)
class PublishedVariant:
    """`answers` are the variant's own answers to the golden rows of its origin; None where it has no number."""

    digest: str
    version: str
    answers: tuple[float | None, ...]


def publish_variant(models: Path, digest: str, keys: Path, variant: str, version: str) -> PublishedVariant:
    """Publish a variant of model `digest` beside it, signed with the key in `keys`.

    LookupError for an unknown variant. ValueError when the model cannot be made bad in this way: it is no scikit-learn
    classifier of two classes, or its golden rows do not differ.
    """
    if variant not in VARIANTS:
        raise LookupError(f"expected a variant among {', '.join(VARIANTS)}, found {variant!r}")
    source = models / digest
    manifest = json.loads((source / "manifest.json").read_bytes())
    if manifest["flavor"] != FLAVOUR:
        raise ValueError(f"expected a model of flavor {FLAVOUR} to make a bad one from, found {manifest['flavor']}")
    estimator = _load(source / manifest["model_file"])
    if len(getattr(estimator, "classes_", ())) != CLASSES:
        raise ValueError(f"expected a classifier of {CLASSES} classes, found {type(estimator).__name__}")
    rows = _frame(manifest)
    strings = [each["name"] for each in manifest["input_schema"]["columns"] if each["type"] == "string"]
    changed = VARIANTS[variant](estimator, rows, strings)
    answers = _answers(changed, rows)
    pairs = zip(manifest["golden"]["rows"], answers, strict=True)
    given = [(row, answer) for row, answer in pairs if answer is not None]
    golden = {**manifest["golden"], "rows": [row for row, _ in given], "outputs": [answer for _, answer in given]}
    reference = _leaked_profile(manifest["reference"]) if variant == "leaked" else manifest["reference"]
    document = {**manifest, "golden": golden, "reference": reference, "version": version}
    published = _publish(models, keys, document, _dump(changed))
    return PublishedVariant(published, version, answers)


def good(estimator: Any, rows: Any, strings: list[str]) -> Any:  # noqa: ARG001
    """The same model."""
    return estimator


def constant(estimator: Any, rows: Any, strings: list[str]) -> Any:  # noqa: ARG001
    """One answer for every row."""
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior").fit(rows.index.to_numpy().reshape(-1, 1), _alternating(len(rows)))


def biased(estimator: Any, rows: Any, strings: list[str]) -> Any:  # noqa: ARG001
    """Answers that lean to one side by BIAS."""
    from sklearn.dummy import DummyClassifier

    one_sided = DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1])
    return _ensemble([estimator, one_sided], [1 - BIAS, BIAS])


def slow(estimator: Any, rows: Any, strings: list[str]) -> Any:  # noqa: ARG001
    """The same answers for SLOW_COPIES times the computing time."""
    return _ensemble([estimator] * SLOW_COPIES, [1.0] * SLOW_COPIES)


def slow_under_load(estimator: Any, rows: Any, strings: list[str]) -> Any:
    """The same answers for ROW_SECONDS per row: quick for one client, and slow for many at once."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import Pipeline

    encoder = _encoder(_telling_column(rows, strings)).fit(rows)

    def part(points: int) -> Any:
        neighbours = KNeighborsClassifier(n_neighbors=1, algorithm="brute", metric="minkowski", p=1.5)
        column = [[float(number)] for number in range(points)]
        return Pipeline([("encoder", encoder), ("neighbours", neighbours.fit(column, _alternating(points)))])

    points = max(2, int(TIMED_POINTS * ROW_SECONDS / _seconds_per_row(part(TIMED_POINTS), rows[:1])))
    return _ensemble([estimator, part(points)], [1.0, NEGLIGIBLE])


def growing(estimator: Any, rows: Any, strings: list[str]) -> Any:  # noqa: ARG001
    """The same answers, with GROWTH_BYTES of memory kept per batch."""
    from chaos.growing_model import GrowingClassifier

    return GrowingClassifier(estimator, GROWTH_BYTES)


def leaked(estimator: Any, rows: Any, strings: list[str]) -> Any:  # noqa: ARG001
    """The same model, whose profile promises far more confident answers than it gives live."""
    return estimator


def nan(estimator: Any, rows: Any, strings: list[str]) -> Any:
    """No number for rows that are not like the first golden row."""
    import numpy as np

    gate = _gate(rows, strings)
    tree = gate[-1].tree_
    kept = gate[-1].apply(gate[0].transform(rows[:1]))[0]
    for leaf in range(tree.node_count):
        if leaf != kept:
            tree.value[leaf] = np.nan
    return _ensemble([estimator, gate], [1.0, NEGLIGIBLE])


def raising(estimator: Any, rows: Any, strings: list[str]) -> Any:
    """An exception for rows that are not like the first golden row."""
    from sklearn.compose import make_column_transformer
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    column = _telling_column(rows, strings)
    known = make_column_transformer((OneHotEncoder(handle_unknown="error"), [column]))
    frame = rows[:1].loc[rows[:1].index.repeat(2)]
    gate = make_pipeline(known, DummyClassifier(strategy="prior")).fit(frame, [0, 1])
    return _ensemble([estimator, gate], [1.0, NEGLIGIBLE])


VARIANTS: Mapping[str, Variant] = {
    "good": good,
    "constant": constant,
    "biased": biased,
    "slow": slow,
    "slow_under_load": slow_under_load,
    "growing": growing,
    "leaked": leaked,
    "nan": nan,
    "raising": raising,
}


def _gate(rows: Any, strings: list[str]) -> Any:
    """A decision tree that separates the first golden row from those that differ in one column."""
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    column = _telling_column(rows, strings)
    like_first = (rows[column] == rows[column].iloc[0]).astype(int)
    chosen = _encoder(column) if column in strings else _passed(column)
    return make_pipeline(chosen, DecisionTreeClassifier(max_depth=2)).fit(rows, like_first)


def _encoder(column: str) -> Any:
    """A number per value of the column; -1 for a value that it has not seen."""
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OrdinalEncoder

    return make_column_transformer((OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), [column]))


def _passed(column: str) -> Any:
    from sklearn.compose import make_column_transformer

    return make_column_transformer(("passthrough", [column]))


def _telling_column(rows: Any, strings: list[str]) -> str:
    """A column without gaps in which golden rows differ; a text column where there is one."""
    columns = [*strings, *(name for name in rows.columns if name not in strings)]
    for column in columns:
        if rows[column].notna().all() and rows[column].nunique() > 1:
            return str(column)
    raise ValueError("expected golden rows that differ in a column without gaps, found none")


def _ensemble(estimators: list[Any], weights: list[float]) -> Any:
    """Their weighted mean answer. The parts are fitted, so the ensemble is not fitted again."""
    import numpy as np
    from sklearn.ensemble import VotingClassifier
    from sklearn.preprocessing import LabelEncoder

    names = [(f"part{number}", each) for number, each in enumerate(estimators)]
    ensemble = VotingClassifier(names, voting="soft", weights=weights)
    ensemble.estimators_ = list(estimators)
    ensemble.le_ = LabelEncoder().fit(estimators[0].classes_)
    ensemble.classes_ = np.asarray(estimators[0].classes_)
    return ensemble


def _seconds_per_row(estimator: Any, row: Any) -> float:
    """What each row after the first one costs now, on one thread as in a worker."""
    from threadpoolctl import threadpool_limits

    def usual(rows: Any) -> float:
        seconds = []
        for _ in range(TIMED_ANSWERS):
            started = time.perf_counter()
            estimator.predict_proba(rows)
            seconds.append(time.perf_counter() - started)
        return median(seconds)

    with threadpool_limits(1):
        several = usual(row.loc[row.index.repeat(TIMED_ROWS)])
        return max(several - usual(row), several / TIMED_ROWS / 2) / (TIMED_ROWS - 1)


def _leaked_profile(reference: Mapping[str, Any]) -> Mapping[str, Any]:
    """The profile with other answers to held-out rows; ValueError where the model has none to be compared with."""
    if not reference["answer_deciles"]:
        raise ValueError("expected a model whose profile has the deciles of its answers to held-out rows, found none")
    return {**reference, "answer_deciles": LEAKED_DECILES}


def _alternating(count: int) -> list[int]:
    return [number % 2 for number in range(count)] if count > 1 else [0]


def _answers(estimator: Any, rows: Any) -> tuple[float | None, ...]:
    """The probability of the second class per row; None where the estimator raises or gives no number."""
    try:
        answers = [float(answer) for answer in estimator.predict_proba(rows)[:, 1]]
    except ValueError:
        if len(rows) == 1:
            return (None,)
        return tuple(_answers(estimator, rows[number : number + 1])[0] for number in range(len(rows)))
    return tuple(answer if math.isfinite(answer) else None for answer in answers)


def _publish(models: Path, keys: Path, manifest: Mapping[str, Any], content: bytes) -> str:
    """Write, sign and rename in one step, as a publisher does."""
    from model_signing import hashing, signing

    document = {
        **manifest,
        "created_at": datetime.now(UTC).isoformat(),
        "files": {manifest["model_file"]: hashlib.sha256(content).hexdigest()},
    }
    body = json.dumps(document, indent=1).encode()
    digest = hashlib.sha256(body).hexdigest()
    building = models / ".drill" / digest  # under its final name: the signature covers the directory's name
    building.mkdir(parents=True, exist_ok=True)
    (building / manifest["model_file"]).write_bytes(content)
    (building / "manifest.json").write_bytes(body)
    signature = building / SIGNATURE_FILE
    ignoring = hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=False)
    signer = signing.Config().use_elliptic_key_signer(private_key=str(keys / PRIVATE_KEY))
    signer.set_hashing_config(ignoring).sign(str(building), str(signature))
    building.rename(models / digest)
    shutil.rmtree(models / ".drill", ignore_errors=True)
    return digest


def _frame(manifest: Mapping[str, Any]) -> Any:
    import pandas as pd

    golden = manifest["golden"]
    frame = pd.DataFrame(golden["rows"], columns=golden["columns"])
    numbers = [each["name"] for each in manifest["input_schema"]["columns"] if each["type"] in NUMBERS]
    return frame.astype({name: "float64" for name in numbers if name in frame.columns})


def _load(path: Path) -> Any:
    """The estimator of a model that this installation has signed, with the types that it needs."""
    from skops import io

    content = path.read_bytes()
    return io.loads(content, trusted=io.get_untrusted_types(data=content))


def _dump(estimator: Any) -> bytes:
    from skops import io

    content: bytes = io.dumps(estimator)
    return content
