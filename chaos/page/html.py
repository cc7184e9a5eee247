"""The report of stored trials as one HTML document."""

import re
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from statistics import median

from chaos.outcome import DrillOutcome
from chaos.page.advice import advice_for
from chaos.page.drawing import distribution, timeline, trend
from chaos.report import COUNTED, DrillSummary, Spread, recovery_seconds, summarise, totals
from chaos.verdict import Exit

__all__ = ["html_report"]

STYLE = Path(__file__).with_name("style.css")
MISSING = "\N{EN DASH}"
DISTRIBUTION_LIMIT_FACTOR = 1.1


def html_report(outcomes: Sequence[DrillOutcome]) -> str:
    """The document. Trials with an ablation are listed apart: they are meant not to recover."""
    ordered = sorted(outcomes, key=lambda each: (each.name, each.started_at))
    proper = [each for each in ordered if each.ablated is None]
    ablated = [each for each in ordered if each.ablated is not None]
    sections = [_section(name, list(trials)) for name, trials in groupby(proper, key=lambda each: each.name)]
    body = [_heading(ordered), _tiles(proper), _table(summarise(proper)), *sections, _ablations(summarise(ablated))]
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Drills</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _heading(outcomes: Sequence[DrillOutcome]) -> str:
    if not outcomes:
        return "<h1>Drills</h1><p>No drill has been run yet; try <code>autopilot drill run noop</code>.</p>"
    started = sorted(each.started_at for each in outcomes)
    machines = sorted({each.machine for each in outcomes if each.machine})
    revisions = list(dict.fromkeys(each.revision for each in outcomes if each.revision))
    pipelines = sorted({each.pipeline for each in outcomes})
    stacks = sorted({each.target or "this one" for each in outcomes})
    pooled = [
        f"{len(values)} {what}: {', '.join(values)}"
        for what, values in (
            ("machines", machines),
            ("revisions", revisions),
            ("pipelines", pipelines),
            ("stacks", stacks),
        )
        if len(values) > 1
    ]
    warning = f'<p class="bad">Pooled over {escape("; ".join(pooled))}.</p>' if pooled else ""
    about = f"{started[0]:%Y-%m-%d %H:%M} to {started[-1]:%Y-%m-%d %H:%M} UTC"
    if not pooled:
        about += "".join(f" · {escape(values[0])}" for values in (machines, revisions, pipelines) if values)
    return f'<h1>Drills</h1><p class="soft">{about}</p>{warning}'


def _tiles(outcomes: Sequence[DrillOutcome]) -> str:
    if not outcomes:
        return ""
    pooled = totals(outcomes)
    low, high = pooled.recovered_share
    tiles = [
        (f"{pooled.recovered}/{pooled.trials}", f"recovered ({low:.0%} to {high:.0%} with 95 % confidence)"),
        (f"{pooled.failed} / {pooled.wrong}", "requests failed / answered wrongly"),
        ("none" if pooled.diagnosis is None else f"{pooled.diagnosis:.2f}", "diagnosis score (1 is best)"),
        (str(pooled.false_incidents), f"false incidents in {pooled.controls} controls"),
    ]
    return f'<div class="tiles">{"".join(f"<div class=tile><b>{v}</b>{escape(w)}</div>" for v, w in tiles)}</div>'


def _table(summaries: Sequence[DrillSummary]) -> str:
    if not summaries:
        return ""
    rows = "".join(
        f'<tr><td><a href="#{escape(each.name)}">{escape(each.name)}</a></td>'
        f'<td class="{"ok" if each.recovered == each.trials else "bad"}">{each.recovered}/{each.trials}</td>'
        f"<td>{each.recovered_share_min:.0%}</td>{_cells(each.detect)}{_cells(each.mitigate)}{_cells(each.recover)}"
        f"<td>{'' if each.diagnosis is None else f'{each.diagnosis:.2f}'}</td><td>{each.not_counted or ''}</td></tr>"
        for each in summaries
    )
    return (
        '<div class="scroll"><table><tr><th>drill</th><th>recovered</th><th>at least</th>'
        "<th>detect p50</th><th>p90</th><th>mitigate p50</th><th>p90</th><th>recover p50</th><th>p90</th>"
        f"<th>diagnosis</th><th title='ended with another exit code than 0 or 1'>skipped</th></tr>{rows}</table></div>"
        '<p class="caption">Seconds after the fault was proven active. A trial that did not recover counts as longest. '
        '"At least" is the one-sided 95 % bound on the chance to recover.</p>'
    )


def _cells(spread: Spread) -> str:
    return "".join(f"<td>{MISSING if value is None else f'{value:.1f}'}</td>" for value in (spread.p50, spread.p90))


def _section(name: str, outcomes: Sequence[DrillOutcome]) -> str:
    counted = [each for each in outcomes if each.exit in COUNTED]
    seconds = recovery_seconds(counted)
    finite = [each for each in seconds if each != float("inf")]
    shown = distribution(seconds, max(finite, default=1.0) * DISTRIBUTION_LIMIT_FACTOR)
    times = timeline([each.timings for each in counted])
    drawn = trend(_medians_by_revision(counted))
    return (
        f'<section id="{escape(name)}"><h2>{escape(name)}</h2>'
        f"{_captioned(times, 'Median of each time, in seconds after the fault.')}"
        f"{_captioned(shown, 'Time to recover of each trial.')}"
        f"{_captioned(drawn, 'Median time to recover per revision.')}{_problems(outcomes)}</section>"
    )


def _captioned(drawing: str, caption: str) -> str:
    return f'{drawing}<p class="caption">{caption}</p>' if drawing else ""


def _medians_by_revision(outcomes: Sequence[DrillOutcome]) -> list[tuple[str, float | None]]:
    revisions = list(dict.fromkeys(each.revision for each in outcomes if each.revision))
    points: list[tuple[str, float | None]] = []
    for revision in revisions:
        seconds = recovery_seconds([each for each in outcomes if each.revision == revision])
        if seconds:
            middle = median(seconds)
            points.append((revision, None if middle == float("inf") else middle))
    return points


def _problems(outcomes: Sequence[DrillOutcome]) -> str:
    """What went wrong, how often, and what to do."""
    bad = [each for each in outcomes if each.exit is not Exit.RECOVERED]
    if not bad:
        return (
            '<p class="ok">Every trial recovered.</p>'
            if any(each.fault for each in outcomes)
            else ('<p class="ok">No trial opened an incident.</p>')
        )
    return f"<ul>{''.join(map(_problem, bad))}</ul>"


def _problem(outcome: DrillOutcome) -> str:
    ending = outcome.exit.name.lower().replace("_", " ")
    return (
        f'<li><span class="bad">{escape(ending)}</span>: {escape(outcome.reason)} '
        f'<span class="soft">{outcome.started_at:%Y-%m-%d %H:%M:%S}</span><br>{_code(escape(advice_for(outcome)))}</li>'
    )


def _code(text: str) -> str:
    """Escaped text with its `commands` as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text)


def _ablations(summaries: Sequence[DrillSummary]) -> str:
    if not summaries:
        return ""
    rows = "".join(map(_ablation, summaries))
    return (
        "<section><h2>With a remedy disabled</h2><p>A drill whose remedy is disabled has to fail: otherwise the remedy "
        f"is not what heals.</p><table><tr><th>drill</th><th>remedy</th><th>failed</th></tr>{rows}</table></section>"
    )


def _ablation(summary: DrillSummary) -> str:
    failed = summary.trials - summary.recovered
    kind = "ok" if summary.trials and failed == summary.trials else "bad"
    cells = f"<td>{escape(summary.name)}</td><td>{escape(summary.ablated or '')}</td>"
    return f'<tr>{cells}<td class="{kind}">{failed}/{summary.trials}</td></tr>'
