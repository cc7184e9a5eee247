"""Finished fits on disk, so that no fit is repeated: neither by another policy, nor after the process was killed.

    <folder>/<lake versions>/<digest>/    manifest.json, model.skops, scored.npy, refit_agrees.json (if compared)

A fit is written to a directory of another name, which is then renamed: a reader finds all of its files or none.
"""

import hashlib
import json
import shutil
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from healing.errors import ModelCorrupt, TrainingRefused
from releases.files import write_atomically
from releases.flavours.sklearn_skops import read_estimator
from releases.loader import LoadedModel
from releases.manifest import MANIFEST_FILE, parse_manifest
from tasks import training
from tasks.backtest import fits, history
from tasks.backtest.fits import AcceptedModel, Fit, FitKey, FitKind, as_refit, fit, refit_agrees
from tasks.backtest.history import History
from tasks.backtest.replayed_model import ServingModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

MODEL_FILE = "model.skops"
SCORED_FILE = "scored.npy"
AGREEMENT_FILE = "refit_agrees.json"
_FITS_OPEN_MAX = 8  # in memory; a model takes some megabytes
_SERVING_MAX = 64  # models with their predictions in memory; 8 bytes per row of the history each
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class FitStore:
    """The fits of one history, each computed when it is first asked for."""

    folder: Path
    history: History

    def get(self, key: FitKey) -> Fit:
        """The fit, from memory, from disk, or computed now. TrainingRefused as by `fit`."""
        found = self._open.get(key) or self._read(key)
        if found is None:
            found = fit(self.history, key)
            self._write(found)
        self._open[key] = found
        self._open.move_to_end(key)
        while len(self._open) > _FITS_OPEN_MAX:
            self._open.popitem(last=False)
        return found

    def find(self, key: FitKey) -> Fit | None:
        """As `get`; None where the training is refused."""
        try:
            return self.get(key)
        except TrainingRefused as exc:
            log.info("training_refused", until=key.until.isoformat(), why=str(exc))
            return None

    def refit_agrees(self, day: date) -> bool:
        """Whether the refit of the recipe that was compared on `day` is released: see `fits.refit_agrees`."""
        compared, whole = FitKey(FitKind.COMPARED, day), FitKey(FitKind.WHOLE, day)
        verdict = self._path(compared) / AGREEMENT_FILE
        if self.has(compared) and verdict.exists():
            return bool(json.loads(verdict.read_bytes()))
        agrees = refit_agrees(self.history, self.get(compared), self.get(whole))
        write_atomically(verdict, json.dumps(agrees).encode())
        return agrees

    def accepted(self, day: date) -> AcceptedModel:
        """The model that `retrain` releases once it accepted the recipe of `day`."""
        compared = self.get(FitKey(FitKind.COMPARED, day))
        if not self.refit_agrees(day):
            return AcceptedModel(compared, compared.model, day)
        return as_refit(self.history, compared, self.get(FitKey(FitKind.WHOLE, day)))

    def serving(self, model: AcceptedModel) -> ServingModel:
        """The model with the predictions and verdicts that it has so far: policies of one process share them."""
        key = (model.fit.key, model.accepted_until, model.answers is None)
        found = self._serving.setdefault(key, ServingModel(self.history, model))
        while len(self._serving) > _SERVING_MAX:
            self._serving.popitem(last=False)
        return found

    def scored(self, key: FitKey) -> "NDArray[np.float64]":
        """The fit's predictions of the scored rows, without opening the model if they are on disk."""
        import numpy as np

        try:
            predictions: NDArray[np.float64] = np.load(self._path(key) / SCORED_FILE, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return self.get(key).scored
        return predictions

    def ensure(self, key: FitKey) -> bool:
        """Make the fit if it is not on disk; False where the training is refused."""
        return self.has(key) or self.find(key) is not None

    def has(self, key: FitKey) -> bool:
        """Whether the fit is on disk."""
        return self._path(key).is_dir()

    def discard_older(self) -> None:
        """Delete the fits of other versions of the lake, and what a killed process left unfinished."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.is_dir() and path != self._of_lake:
                    shutil.rmtree(path, ignore_errors=True)

    @cached_property
    def _open(self) -> "OrderedDict[FitKey, Fit]":
        return OrderedDict()

    @cached_property
    def _serving(self) -> "OrderedDict[tuple[FitKey, date, bool], ServingModel]":
        return OrderedDict()

    @property
    def _of_lake(self) -> Path:
        plan = self.history.plan
        return self.folder / f"{plan.features_version}-{plan.labels_version}"

    def _path(self, key: FitKey) -> Path:
        plan = self.history.plan_at(key.until)
        named = [plan.key, key.kind, self.history.scored_rows_max, _code_sha256()]
        return self._of_lake / hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]

    def _read(self, key: FitKey) -> Fit | None:
        """The fit on disk. A damaged one, for example after a power failure, is deleted."""
        import numpy as np

        path = self._path(key)
        if not path.is_dir():
            return None
        try:
            manifest = parse_manifest((path / MANIFEST_FILE).read_bytes(), str(path))
            estimator = read_estimator((path / MODEL_FILE).read_bytes(), str(path))
            scored = np.load(path / SCORED_FILE, allow_pickle=False)
        except (ModelCorrupt, OSError, ValueError, EOFError) as exc:
            log.warning("stored_fit_discarded", path=str(path), cause=str(exc))
            shutil.rmtree(path)
            return None
        return Fit(key, LoadedModel(path.name, manifest, estimator), scored)

    def _write(self, found: Fit) -> None:
        """ModelCorrupt when the estimator needs a type that no gateway would load."""
        import numpy as np
        from skops import io

        content = io.dumps(found.model.estimator)
        read_estimator(content, f"the estimator of {self.history.pipeline.name}")
        path = self._path(found.key)
        self.folder.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=self.folder) as unfinished:
            written = Path(unfinished) / path.name
            written.mkdir()
            (written / MANIFEST_FILE).write_bytes(found.model.manifest.to_bytes())
            (written / MODEL_FILE).write_bytes(content)
            np.save(written / SCORED_FILE, found.scored, allow_pickle=False)
            try:
                written.rename(path)
            except OSError:
                if not path.is_dir():  # else another process stored the same fit meanwhile
                    raise


@lru_cache(maxsize=1)
def _code_sha256() -> str:
    """SHA-256 of the code that makes a fit, so that another version of this program makes its own fits."""
    files = [Path(fits.__file__), Path(history.__file__), *sorted(Path(training.__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
