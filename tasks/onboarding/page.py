"""The page of a pipeline: what `init` guessed, the contract, what the tests can detect, and the newest first model.

One HTML file that needs neither a server nor the network. `init` writes it, and `bootstrap` completes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from releases.files import write_atomically
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.onboarding.contract_view import contract_of
from tasks.onboarding.profile import read_profile
from tasks.rollout.retrain_outcome import RetrainOutcome
from tasks.runtime.pages import render_page
from tasks.training.held_out_summary import CalibrationCurve

PAGE_FILE = "pipeline.html"
_TEMPLATE = "pipeline.html.jinja"
_MODEL = 'id="model"'  # only a complete page has this section
_IMPORTANCE_SHOWN = 20
_LEFT, _BOTTOM, _WIDTH, _HEIGHT = 40, 230, 250, 220  # of the calibration chart, as in the template


def write_initial_page(name: str, pipelines_dir: Path, reports_dir: Path) -> Path:
    """Write the page of a pipeline without a model, and return its path."""
    return _write(load_pipeline(name, pipelines_dir), reports_dir / name)


def write_completed_page(
    trained: RetrainOutcome, pipelines_dir: Path, reports_dir: Path, release_root: ReleaseRoot
) -> Path:
    """Write the page with the model that was trained, and return its path.

    A complete page stays as it is where `trained` was not compared, because an earlier run had released it.
    """
    page = reports_dir / trained.pipeline / PAGE_FILE
    if not trained.comparisons and page.exists() and _MODEL in page.read_text(encoding="utf-8"):
        return page
    importance: dict[str, float] = {}
    if trained.digest is not None:
        importance = ModelStore(release_root).manifest(trained.digest).reference.importance
    pipeline = load_pipeline(trained.pipeline, pipelines_dir)
    return _write(pipeline, reports_dir / trained.pipeline, trained, importance)


def _write(
    pipeline: Pipeline, folder: Path, trained: RetrainOutcome | None = None, importance: dict[str, float] | None = None
) -> Path:
    ranked = sorted((importance or {}).items(), key=lambda item: -item[1])
    held_out = None if trained is None else trained.held_out
    is_value = pipeline.prediction.output == "value"
    page = render_page(
        Path(__file__).parent,
        _TEMPLATE,
        pipeline=pipeline,
        profile=read_profile(pipeline.folder),
        contract=contract_of(pipeline),
        trained=trained,
        importance=ranked[:_IMPORTANCE_SHOWN],
        importance_left_out=len(ranked[_IMPORTANCE_SHOWN:]),
        chart=None if held_out is None else _chart(held_out.calibration, is_value=is_value),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / PAGE_FILE, page.encode())
    return folder / PAGE_FILE


@dataclass(frozen=True, slots=True)
class _Curve:
    """A curve in the coordinates of the chart; each point has a title."""

    name: str
    points: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class _Chart:
    """Calibration curves, with the labels of both ends of the axes."""

    low: str
    high: str
    curves: tuple[_Curve, ...]


def _chart(curves: Sequence[CalibrationCurve], *, is_value: bool) -> _Chart | None:
    """Probabilities on axes from 0 to 1, values on axes that contain all points."""
    found = [each for curve in curves for point in curve.points for each in (point.predicted, point.observed)]
    if not found:
        return None
    low, high = (min(found), max(found)) if is_value else (0.0, 1.0)
    span = (high - low) or 1.0

    def place(predicted: float, observed: float, rows: int) -> tuple[float, float, str]:
        x = _LEFT + _WIDTH * (predicted - low) / span
        y = _BOTTOM - _HEIGHT * (observed - low) / span
        return round(x, 1), round(y, 1), f"predicted {predicted:.4g}, observed {observed:.4g} in {rows} rows"

    drawn = [
        _Curve(curve.name, tuple(place(point.predicted, point.observed, point.rows) for point in curve.points))
        for curve in curves
    ]
    return _Chart(_axis_label(low), _axis_label(high), tuple(drawn))


def _axis_label(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
