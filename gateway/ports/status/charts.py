"""Charts as inline SVG: areas of traffic by version, sparklines, and bars of evidence. Only numbers are drawn."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 720.0, 120.0
_SPANS_SECONDS = (300.0, 900.0, 1800.0)  # of the axis: the shortest that holds every sample
_POINTS_MAX = 180
_SPARK_WIDTH, _SPARK_HEIGHT = 120.0, 28.0


def finite(value: object) -> float | None:
    """The value as a number; None for anything that is none, NaN and infinities among them."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def traffic_chart(
    traffic: Mapping[str, Any], roles: Mapping[str, str], releases: Iterable[Mapping[str, Any]]
) -> Markup:
    """Stacked areas of requests per second, with a line at each release. Empty without a sample."""
    at = [finite(each) or 0.0 for each in traffic["at"]]
    if not at:
        return Markup()
    layers = [(roles.get(each["digest"], "gone"), _numbers(each["rates"], len(at))) for each in traffic["versions"]]
    layers.append(("baseline", _numbers(traffic["baseline"], len(at))))
    layers.append(("failed", _numbers(traffic["failed"], len(at))))
    bins = _bins(len(at))
    until, span = max(at), chart_seconds(traffic)
    across = [_across(at[indices[-1]], until, span) for indices in bins]
    heights = [(name, [_mean(rates, indices) for indices in bins]) for name, rates in layers]
    top = max((sum(column) for column in zip(*(rates for _, rates in heights), strict=True)), default=0.0) or 1.0
    shapes, below = [], [0.0] * len(bins)
    for name, rates in heights:
        above = [low + rate for low, rate in zip(below, rates, strict=True)]
        if any(rates):
            shapes.append(f'<path class="area {name}" d="{_area(across, below, above, top)}"/>')
        below = above
    marks = "".join(_mark(each, until, span) for each in releases)
    return Markup(  # noqa: S704  made of numbers and of the class names above
        f'<svg class="traffic" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" aria-hidden="true">'
        f'<line class="grid" x1="0" x2="{WIDTH:g}" y1="{HEIGHT / 2:g}" y2="{HEIGHT / 2:g}"/>{"".join(shapes)}{marks}'
        "</svg>"
    )


def chart_seconds(traffic: Mapping[str, Any]) -> float:
    """The time that the axis of the chart covers."""
    at = [finite(each) or 0.0 for each in traffic["at"]]
    covered = max(at) - min(at) if at else 0.0
    return next((span for span in _SPANS_SECONDS if covered <= span), _SPANS_SECONDS[-1])


def peak_rate(traffic: Mapping[str, Any]) -> float:
    """The largest sum of the chart, as its axis names it."""
    at = traffic["at"]
    layers = [*(each["rates"] for each in traffic["versions"]), traffic["baseline"], traffic["failed"]]
    numbers = [_numbers(layer, len(at)) for layer in layers]
    return max((sum(_mean(rates, indices) for rates in numbers) for indices in _bins(len(at))), default=0.0)


def sparkline(values: Sequence[object], bound: object = None) -> Markup:
    """A line through the values that are numbers, and the bound as a dashed line; empty with fewer than two."""
    known = [(index, number) for index, value in enumerate(values) if (number := finite(value)) is not None]
    if len(known) < 2:
        return Markup()
    limit = finite(bound)
    numbers = [number for _, number in known] + ([] if limit is None else [limit])
    low, high = min(0.0, *numbers), max(numbers)
    span = (high - low) or 1.0
    last = len(values) - 1

    def down(number: float) -> float:
        return 1 + (_SPARK_HEIGHT - 2) * (1 - (number - low) / span)

    line = " ".join(f"{_SPARK_WIDTH * index / last:.1f},{down(number):.1f}" for index, number in known)
    dashed = ""
    if limit is not None:
        dashed = f'<line class="bound" x1="0" x2="{_SPARK_WIDTH:g}" y1="{down(limit):.1f}" y2="{down(limit):.1f}"/>'
    return Markup(  # noqa: S704  made of numbers
        f'<svg class="spark" viewBox="0 0 {_SPARK_WIDTH:g} {_SPARK_HEIGHT:g}" preserveAspectRatio="none" '
        f'aria-hidden="true">{dashed}<polyline points="{line}"/></svg>'
    )


def bar(value: object, bound: object) -> Markup:
    """A bar as full as the value is of the bound; empty where either is no number."""
    number, limit = finite(value), finite(bound)
    if number is None or limit is None or limit <= 0:
        return Markup()
    full = 100 * min(1.0, max(0.0, number / limit))
    name = "full" if full >= 100 else "near" if full >= 60 else "far"
    return Markup(  # noqa: S704  made of numbers
        f'<svg class="bar {name}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="6"/><rect class="fill" width="{full:.1f}" height="6"/></svg>'
    )


def _numbers(values: Sequence[object], count: int) -> list[float]:
    """One number per sample; what is none counts as zero."""
    found = [finite(value) or 0.0 for value in values][:count]
    return found + [0.0] * (count - len(found))


def _bins(samples: int) -> list[range]:
    """At most _POINTS_MAX neighbouring groups of samples; the newest group is whole."""
    size = max(1, math.ceil(samples / _POINTS_MAX))
    return [range(max(0, end - size), end) for end in range(samples, 0, -size)][::-1]


def _mean(rates: Sequence[float], indices: range) -> float:
    return sum(rates[index] for index in indices) / len(indices)


def _across(at: float, until: float, span: float) -> float:
    return WIDTH * min(1.0, max(0.0, 1 - (until - at) / span))


def _area(across: Sequence[float], below: Sequence[float], above: Sequence[float], top: float) -> str:
    """The outline between two lines; a single sample is drawn as a narrow column."""
    if len(across) == 1:
        across, below, above = [across[0] - 2, across[0]], [*below, *below], [*above, *above]
    upper = [f"{x:.1f},{HEIGHT * (1 - y / top):.1f}" for x, y in zip(across, above, strict=True)]
    lower = [f"{x:.1f},{HEIGHT * (1 - y / top):.1f}" for x, y in zip(across, below, strict=True)]
    return f"M{' L'.join([*upper, *reversed(lower)])}Z"


def _mark(release: Mapping[str, Any], until: float, span: float) -> str:
    """A vertical line at the time of a release within the window."""
    try:
        at = datetime.fromisoformat(str(release.get("created_at"))).timestamp()
    except ValueError:
        return ""
    if not until - span < at <= until + 60:
        return ""
    x = _across(at, until, span)
    kind = "harm" if release.get("reason") in ("rollback", "abort") else "plain"
    return f'<line class="mark {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT:g}"/>'
