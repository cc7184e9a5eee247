"""Renders the sections of the page from its document. Each section by itself: a bad value costs at most its section."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from gateway.ports.status.charts import bar, chart_seconds, finite, peak_rate, sparkline, traffic_chart
from gateway.ports.status.summary import StatusSummary, control_of, sections_of, summarise

if TYPE_CHECKING:
    from jinja2 import Environment

SECTIONS = (
    "headline",
    "notices",
    "serving",
    "incidents",
    "rollout",
    "traffic",
    "releases",
    "model",
    "data",
    "drills",
    "actions",
)
NONE = "-"
_FOLDER = Path(__file__).parent / "templates"


def render_sections(document: Mapping[str, Any]) -> dict[str, str]:
    """HTML per section, in the order of the page."""
    try:
        summary = summarise(document)
    except Exception as exc:  # noqa: BLE001  the sections that do without it are shown
        summary = StatusSummary(state="unknown", title=f"The state cannot be shown: {exc}")
    return {name: _section(name, document, summary) for name in SECTIONS}


def render_page(sections: Mapping[str, str], pipeline: str, title: str, *, locked: bool) -> bytes:
    """The whole page; `locked`: values need a key, which its script asks for."""
    whole = _environment().get_template("page.html.jinja")
    content = {name: Markup(html) for name, html in sections.items()}  # noqa: S704  rendered with escaped values
    return whole.render(sections=content, pipeline=pipeline, title=title, locked=locked).encode()


def page_title(document: Mapping[str, Any]) -> str:
    """The title of the browser's tab: what serves, or what is wrong."""
    try:
        return f"{document['pipeline']}: {summarise(document).title}"
    except Exception:  # noqa: BLE001  the page says what is wrong with the document
        return "status"


def _section(name: str, document: Mapping[str, Any], summary: StatusSummary) -> str:
    try:
        template = _environment().get_template(f"{name}.html.jinja")
        control = control_of(document)
        return template.render(d=document, s=summary, control=control, seen=sections_of(control))
    except Exception as exc:  # noqa: BLE001  one bad value must not take the page away
        reason = escape(f"{type(exc).__name__}: {exc}")
        return f'<h2>{escape(name.capitalize())}</h2><p class="unseen">This section cannot be shown: {reason}</p>'


@cache
def _environment() -> "Environment":
    from jinja2 import ChainableUndefined, Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=ChainableUndefined,  # a value that is missing is shown as missing
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "ms": milliseconds,
        "seconds": seconds,
        "when": when,
        "quote": lambda text: quote(str(text)),
        "words": lambda text: str(_shown(text)).replace("_", " "),
        "brief": brief,
        "short": lambda text, most=8: str(text)[:most],
    }
    environment.globals |= {
        "traffic_chart": traffic_chart,
        "peak_rate": peak_rate,
        "chart_seconds": chart_seconds,
        "sparkline": sparkline,
        "bar": bar,
    }
    return environment


def _shown(value: object) -> object:
    """A dash for nothing, and for a number that is none."""
    is_bad = isinstance(value, float) and not isfinite(value)
    return NONE if value is None or is_bad else value


def number(value: object, digits: int = 0) -> str:
    """`1,234`; a dash for anything that is no number."""
    found = finite(value)
    return NONE if found is None else f"{found:,.{digits}f}"


def percent(value: object, of: object = 1, digits: int = 1) -> str:
    """The share of `of`; a dash where there is none. A share that is not whole is not rounded to 0 % or 100 %."""
    part, whole = finite(value), finite(of)
    if part is None or not whole:
        return NONE
    share, least = part / whole, 0.5 * 10.0 ** -(digits + 2)
    if 0 < share < least:
        return f"<{10.0**-digits:g} %"
    if 1 - least < share < 1:
        return f">{100 - 10.0**-digits:g} %"
    return f"{100 * share:.{digits}f} %"


def milliseconds(value: object) -> str:
    found = finite(value)
    return NONE if found is None else f"{1000 * found:,.{1 if found < 0.1 else 0}f} ms"


def seconds(value: object) -> str:
    """A duration in its largest unit."""
    found = finite(value)
    if found is None:
        return NONE
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if found >= 2 * length:
            return f"{found / length:.0f} {unit}"
    return f"{found:.0f} s" if found >= 10 else f"{found:.1f} s"


def when(value: object) -> Markup:
    """A `time` element in UTC, which the script turns into an age; a dash for what is no time."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return escape(NONE)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S}Z")


def brief(text: object, most: int = 12) -> str:
    """The beginning of a long name, such as a digest."""
    shown = str(text)
    return shown if len(shown) <= most + 2 else f"{shown[:most]}…"
