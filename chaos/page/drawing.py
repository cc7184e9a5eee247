"""Small SVG drawings of times: a timeline per drill, and one mark per trial."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

__all__ = ["distribution", "timeline", "trend"]

WIDTH, LEFT, RIGHT = 640, 8, 60
STEPS = {
    "t0": "fault active",
    "t1": "indicator breached",
    "t2": "incident opened",
    "t3": "remedy started",
    "t4": "mitigated",
    "t5": "restored",
}
LABEL_DISTANCE = 66  # pixels between two labels of one row
ROWS = 3  # of labels; times that are close together use the next row

Timings = Mapping[str, tuple[float, float] | None]


def timeline(trials: Sequence[Timings]) -> str:
    """The median of t0 to t5 over the trials that have each, as marks on one axis of seconds."""
    medians = {
        step: median(at[1] for at in (trial.get(step) for trial in trials) if at is not None)
        for step in STEPS
        if any(trial.get(step) is not None for trial in trials)
    }
    if set(medians) <= {"t0"}:
        return ""
    end = max(*medians.values(), 1.0)
    base = 14 * ROWS + 14
    parts = [_line(LEFT, base, _x(end, end), base, "axis")]
    if "t1" in medians and "t4" in medians and medians["t4"] > medians["t1"]:
        parts.append(_line(_x(medians["t1"], end), base, _x(medians["t4"], end), base, "down"))
    if "t5" in medians:
        start = medians.get("t4", medians.get("t1", 0.0))
        parts.append(_line(_x(start, end), base, _x(medians["t5"], end), base, "degraded"))
    last_x = [-math.inf] * ROWS
    for step, at in sorted(medians.items(), key=lambda item: item[1]):
        x = _x(at, end)
        row = next((row for row in range(ROWS) if x - last_x[row] >= LABEL_DISTANCE), ROWS - 1)
        last_x[row] = x
        top = base - 16 - 14 * row
        title = escape(f"{step}: {STEPS[step]}, median {at:.2f} s after the fault")
        parts.append(f'<g class="step"><title>{title}</title>{_line(x, base + 4, x, top, "tick")}')
        parts.append(f'<text x="{x + 3:.1f}" y="{top + 8:.1f}">{step} {max(at, 0.0):.1f} s</text></g>')
    return _svg(base + 10, parts)


def distribution(seconds: Sequence[float], limit: float) -> str:
    """One mark per trial on an axis up to `limit` or the longest time; a trial that did not recover at the end, red."""
    if not seconds:
        return ""
    finite = [each for each in seconds if math.isfinite(each)]
    end = max([*finite, limit, 1.0])
    parts = [_line(LEFT, 20, _x(end, end), 20, "axis"), f'<text x="{_x(end, end) + 14:.1f}" y="24">{end:.0f} s</text>']
    parts += [
        f'<circle class="ok" cx="{_x(each, end):.1f}" cy="20" r="4"><title>{each:.2f} s</title></circle>'
        for each in finite
    ]
    never = len(seconds) - len(finite)
    if never:
        x = _x(end, end) + 7
        parts.append(f'<circle class="never" cx="{x:.1f}" cy="20" r="5"><title>{never} never</title></circle>')
        parts.append(f'<text class="never" x="{x - 3:.1f}" y="11">{never}</text>')
    return _svg(30, parts)


def trend(points: Sequence[tuple[str, float | None]]) -> str:
    """The median time to recover per revision, in the order of measuring; None where most did not recover."""
    if len(points) < 2:
        return ""
    finite = [value for _, value in points if value is not None]
    top = max([*finite, 1.0])
    step = (WIDTH - LEFT - RIGHT) / (len(points) - 1)
    parts, before = [_line(LEFT, 64, WIDTH - RIGHT, 64, "axis")], None
    for number, (revision, value) in enumerate(points):
        x, y = LEFT + number * step, 64 - 48 * (1 if value is None else value / top)
        words = escape(f"{revision}: {'did not recover' if value is None else f'{value:.1f} s'}")
        parts.append(f'<circle class="{"never" if value is None else "ok"}" cx="{x:.1f}" cy="{y:.1f}" r="4">')
        parts.append(f"<title>{words}</title></circle>")
        if before is not None and value is not None:
            parts.append(_line(*before, x, y, "line"))
        before = None if value is None else (x, y)
        parts.append(f'<text x="{x:.1f}" y="78">{escape(revision[:9])}</text>')
        parts.append(f'<text x="{x + 7:.1f}" y="{y + 4:.1f}">{"never" if value is None else f"{value:.1f} s"}</text>')
    return _svg(84, parts)


def _x(at: float, end: float) -> float:
    return LEFT + max(at, 0.0) / end * (WIDTH - LEFT - RIGHT)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _svg(height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">{"".join(parts)}</svg>'
