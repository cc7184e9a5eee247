"""What a policy has to fulfil beyond its shape: nothing impossible, contradictory or looping."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from healing.incident import Cause, Remedy
from healing.limits import Limits, loops, never_escalates, seconds_to_use_up
from healing.maintenance import WEEKDAYS, MaintenanceWindow, Once, Weekly
from healing.policy import remedies_for
from tasks.config.alert_routing import DEFAULT_ROUTE, FILE_ROUTE
from tasks.config.faults import Fault, Path, listed
from tasks.config.policy_section import AlertsSection, CauseSection, KindRoutes, WindowSection

# Ingestion applies these while it takes in a batch, and cannot wait for a person.
APPLIED_BY_INGESTION = frozenset({Remedy.SWITCH_SOURCE, Remedy.REPAIR_BATCH, Remedy.QUARANTINE_BATCH})


def check_cause(
    path: Path, cause: Cause, section: CauseSection, order: Sequence[Remedy], routes: Sequence[str]
) -> Iterator[Fault]:
    """Faults of a cause's own order, approvals and routes. `order` has its remedies, from whichever level."""
    if section.remedies is not None:
        yield from _check_order(path, cause, section.remedies)
    for remedy in section.approval or ():
        at = (*path, "approval")
        if remedy in (Remedy.ESCALATE, Remedy.WAIT):
            yield Fault(at, "remedies that act", f"'{remedy}'", "remove it: it changes nothing and needs no approval")
        elif remedy in APPLIED_BY_INGESTION:
            hint = "remove it; to forbid the remedy, remove it from the remedies of the cause"
            yield Fault(at, "remedies that can wait for a person", f"'{remedy}', which ingestion applies at once", hint)
        elif remedy not in order:
            found = f"'{remedy}', which is not one of them"
            yield Fault(
                at, f"remedies of {cause} ({listed(order)})", found, "add it to the remedies, or remove it here"
            )
    if section.alerts is not None:
        yield from check_routes((*path, "alerts"), section.alerts, routes)


def _check_order(path: Path, cause: Cause, remedies: Sequence[Remedy]) -> Iterator[Fault]:
    able = remedies_for(cause)
    for remedy, count in Counter(remedies).items():
        if remedy not in able:
            found = f"'{remedy}', which cannot treat it"
            yield Fault(path, f"remedies that can treat {cause} ({listed(able)})", found, "remove it")
        if count > 1:
            hint = "remove the others: attempts_max says how often remedies are repeated"
            yield Fault(path, "each remedy once", f"'{remedy}' {count} times, which loops", hint)
    for last, after in ((Remedy.ESCALATE, ()), (Remedy.PAUSE_PIPELINE, (Remedy.ESCALATE,))):
        following = remedies[remedies.index(last) + 1 :] if last in remedies else ()
        if later := [remedy for remedy in following if remedy not in after]:
            yield Fault(path, f"'{last}' as the last remedy", f"{listed(later)} after it", f"move '{last}' to the end")


def check_routes(path: Path, kinds: KindRoutes, routes: Sequence[str]) -> Iterator[Fault]:
    """A fault for each route that is not defined."""
    known = dict.fromkeys((*routes, DEFAULT_ROUTE))
    named = dict.fromkeys(name for kind in KindRoutes.model_fields for name in getattr(kinds, kind))
    for name in named:
        if name not in known:
            hint = f"define {name!r} in alerts.routes of policy.yaml, or name another route"
            yield Fault(path, f"routes ({listed(known)})", f"{name!r}, which is not defined", hint)


def check_alerts(path: Path, alerts: AlertsSection) -> Iterator[Fault]:
    """Faults of the routes themselves. No message shows an address."""
    for name, route in alerts.routes.items():
        at = (*path, "routes", name)
        if name in (DEFAULT_ROUTE, FILE_ROUTE):
            yield Fault(at, "a name of your own", f"{name!r}, which is built in", "choose another name")
        given = [key for key in ("env", "file", "url") if getattr(route, key)]
        if len(given) != 1:
            yield Fault(at, "exactly one of env, file, url", listed(given) or "none of them", "keep one")
        if route.url and "://" not in route.url:
            yield Fault((*at, "url"), "an Apprise URL", "text without '://'", "see the list of services of Apprise")
        elif route.url and "@" in route.url.partition("://")[2].partition("/")[0]:
            hint = "put the URL into an environment variable (env) or a file (file)"
            yield Fault((*at, "url"), "a URL without a secret", "one with a user name or password", hint)
    yield from check_routes((*path, "send"), alerts.send, tuple(alerts.routes))


def check_limits(path: Path, limits: Limits, remedies: int) -> Iterator[Fault]:
    """Faults of the limits of a cause that has this number of remedies."""
    if limits.attempts_max > limits.attempts_daily_max:
        yield Fault(
            (*path, "attempts_max"),
            f"at most attempts_daily_max ({limits.attempts_daily_max})",
            f"{limits.attempts_max}, which the cap of the day makes unreachable",
            "lower attempts_max or raise attempts_daily_max",
        )
    elif never_escalates(limits):
        yield Fault(
            (*path, "cooldown_seconds"),
            "cool-downs that let attempts_max notify a person within a day",
            f"{limits.attempts_max} attempts that can take {seconds_to_use_up(limits) / 3_600:.0f} h "
            f"({limits.cooldown_seconds:g} s, doubled with each)",
            "lower cooldown_seconds or attempts_max",
        )
    elif loops(limits, remedies):
        yield Fault(
            (*path, "window_seconds"),
            "a budget that ends a problem which returns at once",
            f"{limits.attempts_max} attempts per {limits.window_seconds:g} s, which use up the "
            f"{limits.attempts_daily_max} attempts of a day within an hour",
            "raise window_seconds (an hour is usual) or cooldown_seconds",
        )
    if limits.hold_seconds >= limits.verify_seconds_max:
        yield Fault(
            (*path, "hold_seconds"),
            f"less than verify_seconds_max ({limits.verify_seconds_max:g})",
            f"{limits.hold_seconds:g}, so that no remedy could succeed",
            "lower hold_seconds or raise verify_seconds_max",
        )


def build_window(
    path: Path, section: WindowSection, pipelines: Sequence[str]
) -> tuple[list[Fault], MaintenanceWindow | None]:
    """The window, or its faults. `pipelines` are the names that exist."""
    faults: list[Fault] = []
    zone = _zone(path, section, faults)
    schedule = _weekly(path, section, zone, faults) if section.days else _once(path, section, zone, faults)
    both = set(section.remedies or ()) & set(section.exempt) if "exempt" in section.model_fields_set else ()
    if both:
        faults.append(Fault(path, "a remedy in remedies or in except", listed(sorted(both)), "remove it from one list"))
    for name in section.pipelines or ():
        if name not in pipelines:
            expected = f"pipelines that exist ({listed(pipelines)})"
            faults.append(Fault((*path, "pipelines"), expected, f"{name!r}", "correct the name or remove it"))
    if faults or schedule is None:
        return faults, None
    window = MaintenanceWindow(section.name, schedule)
    if section.causes is not None:
        window = replace(window, causes=frozenset(section.causes))
    named = frozenset(Remedy) - set(section.exempt) if section.remedies is None else frozenset(section.remedies)
    concerned = None if section.pipelines is None else frozenset(section.pipelines)
    return [], replace(window, remedies=named - {Remedy.ESCALATE}, pipelines=concerned)


def _zone(path: Path, section: WindowSection, faults: list[Fault]) -> ZoneInfo | None:
    if section.timezone is None:
        return None
    try:
        return ZoneInfo(section.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "an IANA time zone such as Europe/Berlin"
        faults.append(Fault((*path, "timezone"), expected, repr(section.timezone), "correct the name"))
        return ZoneInfo("UTC")


def _once(path: Path, section: WindowSection, zone: ZoneInfo | None, faults: list[Fault]) -> Once | None:
    moments: dict[str, datetime] = {}
    for key, given in (("start", section.start), ("end", section.end)):
        try:
            moment = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
        except ValueError:
            expected = "a date and time such as 2026-03-01T22:00"
            hint = "correct it; for a time of day, say on which days"
            faults.append(Fault((*path, key), expected, repr(given), hint))
            continue
        moments[key] = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone or ZoneInfo("UTC"))
    if zone is None and any(isinstance(each.tzinfo, ZoneInfo) for each in moments.values()):
        expected, found = "a time zone", f"a start or an end without offset, such as {section.start}"
        faults.append(Fault((*path, "timezone"), expected, found, "add timezone, such as Europe/Berlin"))
    if len(moments) < 2:
        return None
    if moments["end"].timestamp() <= moments["start"].timestamp():
        found = f"{moments['end'].isoformat()}, which is not after {moments['start'].isoformat()}"
        faults.append(Fault((*path, "end"), "an end after the start", found, "exchange or correct them"))
    return Once(moments["start"], moments["end"])


def _weekly(path: Path, section: WindowSection, zone: ZoneInfo | None, faults: list[Fault]) -> Weekly | None:
    unknown = [day for day in section.days if day not in WEEKDAYS]
    if unknown:
        faults.append(Fault((*path, "days"), f"days ({listed(WEEKDAYS)})", listed(unknown), "correct the names"))
    if zone is None:
        faults.append(Fault((*path, "timezone"), "a time zone", "none", "add timezone, such as Europe/Berlin"))
    times: dict[str, time] = {}
    for key, given in (("start", section.start), ("end", section.end)):
        try:
            times[key] = _time_of_day(given)
        except ValueError:
            expected = "a time of day such as '22:00'"
            faults.append(Fault((*path, key), expected, repr(given), "correct it, or remove days for a dated window"))
    if len(times) < 2:
        return None
    if times["start"] == times["end"]:
        hint = "write '00:00' and '23:59' for a whole day"
        faults.append(Fault((*path, "end"), "an end other than the start", f"'{times['end']:%H:%M}'", hint))
    return Weekly(frozenset(section.days), times["start"], times["end"], zone or ZoneInfo("UTC"))


def _time_of_day(given: datetime | str | int) -> time:
    """The time; YAML reads 22:00 without quotes as the number 22 * 60. ValueError for anything else."""
    return time(*divmod(given, 60)) if isinstance(given, int) else time.fromisoformat(str(given))


def check_window_names(sections: Sequence[WindowSection]) -> Iterator[Fault]:
    """A fault for each name that several windows have."""
    for name, count in Counter(section.name for section in sections).items():
        if count > 1:
            yield Fault(("maintenance", name), "a name of its own per window", f"{count} of this name", "rename them")
