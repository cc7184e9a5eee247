"""The report's plots as inline SVG, without references to other files or addresses."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from chaos.load import Answer
from cli.demo.classify import RequestClass
from tasks.ledger.records import BatchRecord, BatchStatus, CheckRecord
from tasks.runtime.pages import svg_element

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {
    RequestClass.GOOD: "#2a9d8f",
    RequestClass.DEGRADED: "#e9c46a",
    RequestClass.FAILED: "#e76f51",
    RequestClass.WRONG: "#9b2226",
}
_SIZE = (10.0, 2.6)  # inches


def plot_requests(answers: Sequence[Answer], classes: Sequence[RequestClass]) -> str:
    """Requests per second by class."""
    start = min((answer.intended_at for answer in answers), default=0.0)
    by_second = {each: Counter[int]() for each in RequestClass}
    for answer, of in zip(answers, classes, strict=True):
        by_second[of][int(answer.intended_at - start)] += 1
    seconds = range(1 + max((second for counts in by_second.values() for second in counts), default=0))
    figure, axes = _figure("Requests per second")
    axes.stackplot(
        seconds,
        [[by_second[each][second] for second in seconds] for each in RequestClass],
        labels=[each.value for each in RequestClass],
        colors=[_COLOURS[each] for each in RequestClass],
        step="post",
    )
    axes.set_xlabel("seconds of load")
    axes.legend(loc="lower left", ncols=4, fontsize=8)
    return svg_element(figure)


def plot_latency(answers: Sequence[Answer]) -> str:
    """Median and 99th percentile of each second, in milliseconds from when a request was due."""
    start = min((answer.intended_at for answer in answers), default=0.0)
    by_second: dict[int, list[float]] = defaultdict(list)
    for answer in answers:
        by_second[int(answer.intended_at - start)].append(answer.latency_seconds * 1e3)
    seconds = sorted(by_second)
    figure, axes = _figure("Latency, ms")
    for share, colour in ((0.5, "#264653"), (0.99, "#e76f51")):
        values = [sorted(by_second[s])[int(share * (len(by_second[s]) - 1))] for s in seconds]
        axes.plot(seconds, values, label=f"p{share * 100:.0f}", color=colour, linewidth=1)
    axes.set_yscale("log")
    axes.set_xlabel("seconds of load")
    axes.legend(fontsize=8)
    return svg_element(figure)


def plot_batches(batches: Sequence[BatchRecord]) -> str:
    """Accepted and quarantined rows per day."""
    accepted, quarantined = Counter[str](), Counter[str]()
    for batch in batches:
        accepted[batch.day.isoformat()] += batch.accepted
        quarantined[batch.day.isoformat()] += batch.quarantined
    days = sorted(accepted)
    figure, axes = _figure("Rows per day")
    axes.bar(range(len(days)), [accepted[day] for day in days], label="accepted", color="#2a9d8f", width=1.0)
    axes.bar(
        range(len(days)),
        [quarantined[day] for day in days],
        bottom=[accepted[day] for day in days],
        label="quarantined",
        color="#e76f51",
        width=1.0,
    )
    repaired = [days.index(b.day.isoformat()) for b in batches if b.status is BatchStatus.REPAIRED]
    axes.plot(repaired, [0] * len(repaired), "^", color="#264653", label="repaired batch", markersize=7)
    ticks = range(0, len(days), 14)
    axes.set_xticks(list(ticks), [f"{date.fromisoformat(days[tick]):%d %b}" for tick in ticks], fontsize=7)
    axes.legend(fontsize=8, loc="lower right")
    return svg_element(figure)


def plot_check(records: Sequence[CheckRecord], title: str) -> str:
    """A check's statistic per window, with its threshold."""
    shown = sorted((r for r in records if r.verdict.statistic is not None), key=_window_order)
    places = list(range(len(shown)))
    statistics = [_number(record.verdict.statistic) for record in shown]
    failed = [place for place in places if shown[place].verdict.failed]
    figure, axes = _figure(title)
    axes.plot(places, statistics, "o-", color="#264653", markersize=4, label="window")
    axes.plot(places, [_number(r.verdict.threshold) for r in shown], "--", color="#e76f51", linewidth=1, label="limit")
    axes.plot(failed, [statistics[place] for place in failed], "o", color="#e76f51", label="FAIL")
    axes.set_xticks(places[::2], [f"{shown[place].window_until:%d %b}" for place in places[::2]], fontsize=7)
    axes.legend(fontsize=8)
    return svg_element(figure)


def _window_order(record: CheckRecord) -> tuple[datetime, datetime]:
    return record.window_until, record.recorded_at


def _number(value: float | None) -> float:
    """NaN, a gap in the line, where the check computed no value."""
    return math.nan if value is None else value


def _figure(title: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes
