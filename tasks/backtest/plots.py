"""The plots of a backtest as inline SVG. Text and axes have the colour of the page's text, in light and in dark."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tasks.backtest.report import BacktestReport, PolicyResult
from tasks.runtime.pages import svg_element

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#010203"  # replaced by the colour of the page's text
_COLOURS = {
    "never": "#8a94a3",
    "random": "#bfc5ce",
    "every_alarm": "#d1495b",
    "adwin": "#e07a5f",
    "cara_threshold": "#6d597a",
    "cara_cumulative": "#b56576",
    "ours": "#2a9d8f",
    "ours_at_price": "#17635a",
    "ours_on_drops": "#3d7edb",
}
_FIXED_COLOURS = ("#e9a03b", "#c77dba", "#a98467", "#9aa33a")  # fixed schedules, the shortest first
_OPTIMUM_COLOUR = _INK
_WIDTH = 9.0  # inches


def plot_losses(report: BacktestReport) -> str:
    """Weekly loss of each policy minus that of `never`: below zero, retraining gained."""
    figure, axes = _figure(3.2)
    never = report.policy("never").losses_by_week
    for policy, colour in _coloured(report):
        values = [
            math.nan if loss is None or base is None else loss - base
            for loss, base in zip(policy.losses_by_week, never, strict=True)
        ]
        axes.plot(_dates(report.weeks), values, label=policy.title, color=colour, linewidth=_line_width(policy))
    _show_days(axes)
    axes.set_ylabel(f"{report.measure} less that of never", color=_INK, fontsize=8)
    _legend(axes)
    return _svg(figure)


def plot_retrains(report: BacktestReport) -> str:
    """One line per policy: trained only (hollow), promoted (filled), returned (diamond), wrong (crossed)."""
    figure, axes = _figure(0.5 + 0.27 * len(report.policies))
    titles = []
    for place, (policy, colour) in enumerate(_coloured(report)):
        titles.append(policy.title)
        markers: tuple[tuple[Sequence[date], dict[str, Any]], ...] = (
            (_not_promoted(policy), {"marker": "o", "markersize": 5, "markerfacecolor": "none"}),
            (policy.promoted_on, {"marker": "o", "markersize": 5}),
            (policy.returned_on, {"marker": "D", "markersize": 8}),
            (policy.wrong_on, {"marker": "x", "markersize": 9, "markeredgecolor": _INK}),
        )
        for days, style in markers:
            axes.plot(_dates(days), [place] * len(days), linestyle="none", color=colour, **style)
    _show_days(axes)
    axes.set_yticks(range(len(titles)), titles)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_xlim(*_dates((report.first_day, report.last_day)))
    return _svg(figure)


def plot_costs(report: BacktestReport) -> str:
    """Cost per row at each price of a retrain, of each policy and of the optimal schedule."""
    figure, axes = _figure(3.4)
    for policy, colour in _coloured(report):
        axes.plot(report.prices, policy.costs, label=policy.title, color=colour, linewidth=_line_width(policy))
    axes.plot(report.prices, report.optimum.costs, "--", label="offline optimum", color=_OPTIMUM_COLOUR, linewidth=1.5)
    axes.set_xscale("log")
    lowest, never = min(report.optimum.costs), report.policy("never").costs[0]
    span = max(never - lowest, 1e-6)
    axes.set_ylim(lowest - 0.1 * span, never + 0.6 * span)  # what costs much more than never is cut off
    axes.set_xlabel(f"price of a retrain, {report.unit} · rows", color=_INK, fontsize=8)
    axes.set_ylabel(f"{report.measure} + price, per row", color=_INK, fontsize=8)
    _legend(axes)
    return _svg(figure)


def _coloured(report: BacktestReport) -> "list[tuple[PolicyResult, str]]":
    fixed = iter(_FIXED_COLOURS * 2)
    return [(policy, _COLOURS.get(policy.name) or next(fixed)) for policy in report.policies]


def _not_promoted(policy: PolicyResult) -> list[date]:
    """The days on which a model was trained that did not serve from the next day on."""
    return [day for day in policy.trained_on if day + timedelta(days=1) not in policy.promoted_on]


def _line_width(policy: PolicyResult) -> float:
    return 2.0 if policy.name.startswith("ours") else 1.1


def _dates(days: Sequence[date]) -> Any:
    """The days as matplotlib's numbers, whose types do not know dates."""
    from matplotlib.dates import date2num

    return date2num(days)  # type: ignore[no-untyped-call]


def _figure(height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained", facecolor="none")
    axes = figure.subplots()
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(_INK)
    axes.tick_params(labelsize=8, colors=_INK)
    axes.grid(axis="y", color=_INK, alpha=0.12)
    return figure, axes


def _show_days(axes: "Axes") -> None:
    """Label the x axis with dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.xaxis.get_offset_text().set(color=_INK, fontsize=8)


def _legend(axes: "Axes") -> None:
    """The legend to the right of the plot, so that it covers no line."""
    axes.legend(
        fontsize=7.5, frameon=False, labelcolor=_INK, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0
    )


def _svg(figure: "Figure") -> str:
    return svg_element(figure).replace(_INK, "currentColor")
