"""The status of a stack: what serves, the services, and what is not as it should be."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from cli.render.incident import incident_table
from cli.render.parts import Headline, Tone, duration, fields, moment, section, table, word

if TYPE_CHECKING:
    from cli.report_lines import ReleaseLine
    from cli.stack_status import ServiceLine, StackStatus


def status_parts(pipeline: str, status: "StackStatus") -> list[RenderableType]:
    """Problems come before what is as it should be only where there are any."""
    from tasks.rollout.ab_progress import ab_line

    release = status.release
    parts: list[RenderableType] = [_headline(pipeline, status)]
    details = [] if release is None else _release(release, status.serving)
    addresses = ((name.removesuffix("_tracking_uri"), address) for name, address in status.addresses.items())
    comparison = None if status.ab is None else ab_line(status.ab)
    parts.append(fields([*details, ("A/B test", comparison), ("paused", status.paused), *addresses]))
    if status.services:
        parts += section("services", table(("name", "state", "pid", "restarts"), map(_service, status.services)))
    if status.problems:
        parts += section("problems of the gateway", *(Text(each, style=Tone.BAD) for each in status.problems))
    if status.incidents:
        parts += section("incidents", incident_table(status.incidents, datetime.now(UTC)))
    return parts


def _headline(pipeline: str, status: "StackStatus") -> Headline:
    if not status.up:
        return Headline(f"{pipeline}: the stack is", word("down"), "(start it with `autopilot up`)")
    state = "healthy" if status.healthy else "not healthy"
    tone = Tone.GOOD if status.healthy else Tone.BAD
    return Headline(f"{pipeline}: the stack is", Text(state, style=tone), tone=tone)


def _release(release: "ReleaseLine", serving: int | None) -> list[tuple[str, RenderableType | None]]:
    trial = None
    if release.challenger is not None:
        trial = f"{release.challenger} ({release.reason}) on {release.weight or 0:.1%} of the requests"
    age = duration((datetime.now(UTC) - release.at).total_seconds())
    served = "" if serving in (None, release.generation) else f"; the gateway serves generation {serving}"
    return [
        ("champion", release.champion),
        ("on trial", trial),
        (
            "release",
            f"{release.generation}, {release.reason} by {release.author} {age} ago ({moment(release.at)}){served}",
        ),
        ("reason", release.note),
        ("fenced", ", ".join(release.fenced)),
    ]


def _service(service: "ServiceLine") -> tuple[RenderableType, ...]:
    state = word(service.state) if service.alive or service.state != "healthy" else Text("dead", style=Tone.BAD)
    return service.name, state, str(service.pid), str(service.restarts)
