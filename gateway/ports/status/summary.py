"""The page in one glance: the state of the service, since when, and what it cannot see."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.ports.status.charts import finite

SNAPSHOT_SECONDS_MAX = 45.0  # the healer writes every ten seconds


@dataclass(frozen=True, slots=True)
class StatusSummary:
    """`state` is good, warn, bad or unknown. `since`: when the champion became champion, `exactly` if that is known."""

    state: str
    title: str
    detail: str = ""
    champion: Mapping[str, Any] = field(default_factory=dict)
    since: str | None = None
    exactly: bool = True
    roles: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    open_incidents: Sequence[Mapping[str, Any]] = ()
    ended_incidents: Sequence[Mapping[str, Any]] = ()
    blind: Sequence[str] = ()
    stale: bool = False


def summarise(document: Mapping[str, Any]) -> StatusSummary:
    """The summary of a document. Parts with an error count as not known."""
    serving = document["serving"]
    control = control_of(document)
    incidents = _value(control, "incidents") or []
    unfinished = [each for each in incidents if each.get("open")]
    blind, stale = list(_blind_spots(document)), _is_stale(control)
    if serving.get("error"):
        return StatusSummary(
            "unknown", "The gateway's state cannot be read", str(serving["error"]), blind=blind, stale=stale
        )
    release = serving.get("release")
    workers = _workers_of(serving)
    roles = {digest: str(each["role"]) for digest, each in workers.items()}
    champion = {} if release is None else dict(workers.get(release["champion"]["digest"], {}), **release["champion"])
    since, exactly = _champion_since(document.get("releases"), champion.get("digest"))
    state, title, detail = _state(serving, champion, unfinished, stale=stale)
    return StatusSummary(
        state=state,
        title=title,
        detail=detail,
        champion=champion,
        since=since,
        exactly=exactly,
        roles=roles,
        versions=_names(document, workers),
        open_incidents=unfinished,
        ended_incidents=[each for each in incidents if not each.get("open")][:5],
        blind=blind,
        stale=stale,
    )


def _workers_of(serving: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A worker of each version, by digest: one that is ready, if there is one, because the version then answers."""
    return {
        each["digest"]: each for each in sorted(serving.get("workers", ()), key=lambda each: each["state"] == "ready")
    }


def control_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part on the control plane, as an error where it is something else."""
    found = document.get("control_plane")
    return found if isinstance(found, Mapping) and found else {"error": "its snapshot has another form than expected"}


def sections_of(control: Mapping[str, Any]) -> Mapping[str, Any]:
    found = control.get("sections")
    return found if isinstance(found, Mapping) else {}


def _state(
    serving: Mapping[str, Any], champion: Mapping[str, Any], incidents: Sequence[Any], *, stale: bool
) -> tuple[str, str, str]:
    """State, title and detail: what clients get comes first, then problems, then incidents."""
    if not champion:
        return "warn", "No release yet", "Predictions get 503 until the first release."
    name = f"{champion.get('version')}"
    if champion.get("state") != "ready" or champion.get("breaker") == "open":
        return "bad", f"Degraded: {name} does not answer", "Fallbacks or the baseline answer instead."
    problems = serving.get("problems") or []
    if problems or (incidents and not stale):
        count = [
            *([f"{len(problems)} problem{'s' * (len(problems) > 1)} at the gateway"] if problems else []),
            *([f"{len(incidents)} open incident{'s' * (len(incidents) > 1)}"] if incidents else []),
        ]
        return "warn", f"Serving {name}", " and ".join(count)
    return "good", f"Serving {name}", ""


def _champion_since(releases: Any, digest: str | None) -> tuple[str | None, bool]:
    """The time of the release that made the present champion champion; False where it is older than what is shown."""
    since: str | None = None
    if not isinstance(releases, list) or digest is None:
        return None, False
    for release in releases:
        if release.get("error"):
            return since, False
        if release.get("champion_digest") != digest:
            return since, since is not None
        since = release.get("created_at")
    return since, bool(releases) and releases[-1].get("generation") == 1


def _names(document: Mapping[str, Any], workers: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The version of each digest, also of models that are not loaded any more."""
    releases = document.get("releases")
    rows = releases if isinstance(releases, list) else []
    known = {str(row["champion_digest"]): str(row["champion"]) for row in rows if not row.get("error")}
    return known | {digest: str(each["version"]) for digest, each in workers.items()}


def _value(control: Mapping[str, Any], name: str) -> Any:
    section = sections_of(control).get(name)
    return section.get("value") if isinstance(section, Mapping) else None


def _is_stale(control: Mapping[str, Any]) -> bool:
    age = finite(control.get("age_seconds"))
    return bool(control.get("error")) or age is None or age > SNAPSHOT_SECONDS_MAX


def _blind_spots(document: Mapping[str, Any]) -> Iterator[str]:
    """What the page cannot show, in sentences."""
    control = control_of(document)
    if control.get("error"):
        yield f"The control plane cannot be seen: {control['error']}. Incidents, data, checks and drills are missing."
    for name, section in sections_of(control).items():
        if not isinstance(section, Mapping):
            yield f"{name}: the snapshot holds something else than a section."
            continue
        if section.get("error"):
            yield f"{str(name).capitalize()} cannot be read: {section['error']}"
        for broken in section.get("broken") or ():
            yield f"{str(name).capitalize()}: one row is left out, because it cannot be read: {broken}"
    for name in ("models", "traffic", "releases", "loops"):
        part = document.get(name)
        if isinstance(part, Mapping) and part.get("error"):
            yield f"{name.capitalize()} cannot be read: {part['error']}"
    loops = document.get("loops")
    if isinstance(loops, list) and loops:
        yield f"Background loops of the gateway fail: {', '.join(map(str, loops))}. See /health."
