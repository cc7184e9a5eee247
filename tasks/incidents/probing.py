"""Runs the healer's probes in the background, and keeps what each of them saw last.

Every probe has at most one look under way, in a thread of its own. Nothing here waits for a look, so a probe that
hangs delays neither the other probes nor the healer.
"""

import importlib
import pkgutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from healing.diagnosis import Confirmation, Presence, ProblemKey, ProblemSignal
from healing.errors import AutopilotError
from healing.evidence import Evidence
from tasks.incidents import probes
from tasks.incidents.probe import LOOK_SECONDS_MAX, Probe, ProbeContext, Sighting

log = structlog.get_logger(__name__)

OBSERVER = "heal"
_POLL_SECONDS = 0.02


@dataclass(slots=True)
class _Look:
    """One look under way. The thread writes `sighting` as its last act."""

    started: float
    sighting: Sighting | None = None
    reported_hung: bool = False


@dataclass(slots=True)
class _WatchedProbe:
    """A probe with its latest sighting, and how many looks in a row have shown each problem."""

    probe: Probe
    due: float = 0.0
    look: _Look | None = None
    latest: Sighting | None = None
    seen: dict[ProblemKey, int] = field(default_factory=dict)

    def advance(self, context: ProbeContext, now: float) -> None:
        """Take the result of the look under way if there is one, and start the next look when it is due."""
        look = self.look
        if look is not None and look.sighting is not None:
            self._record(look.sighting)
            self.look = None
        elif look is not None and now - look.started > LOOK_SECONDS_MAX and (not look.reported_hung or now >= self.due):
            look.reported_hung = True
            self.due = now + self.probe.every_seconds
            self._record(self.probe.hung(context))
        if self.look is None and now >= self.due:
            self.due = now + self.probe.every_seconds
            self.look = _Look(now)
            work = threading.Thread(target=_observe, args=(self.probe, context, self.look), daemon=True)
            work.start()

    def confirmation(self, key: ProblemKey) -> Confirmation:
        """Whether the problem is there, by the latest looks."""
        if self.latest is None:
            return Confirmation(Presence.INCONCLUSIVE, f"the probe {self.probe.name} has not looked yet")
        if not self.latest.readable:
            return Confirmation(Presence.INCONCLUSIVE, self.latest.reason)
        problem = next((each for each in self.latest.present if (each.cause, each.subject) == key), None)
        if problem is None:
            return Confirmation(Presence.ABSENT, self.latest.reason or f"the probe {self.probe.name} finds no {key[0]}")
        looks, needed = self.seen[key], self.probe.looks_min
        if looks < needed:
            return Confirmation(Presence.INCONCLUSIVE, f"{problem.message} (in {looks} of {needed} looks)")
        return Confirmation(Presence.CONFIRMED, problem.message)

    def present(self) -> Sequence[ProblemSignal]:
        """The problems that enough looks in a row have shown."""
        if self.latest is None or not self.latest.readable:
            return ()
        return [p for p in self.latest.present if self.seen[p.cause, p.subject] >= self.probe.looks_min]

    def _record(self, sighting: Sighting) -> None:
        self.latest = sighting
        if sighting.readable:
            keys = [(problem.cause, problem.subject) for problem in sighting.present]
            self.seen = {key: self.seen.get(key, 0) + 1 for key in keys}


class Probing:
    """The probes of one pipeline. Not thread-safe: one loop advances and reads it."""

    def __init__(
        self,
        context: ProbeContext,
        registered: Sequence[Probe] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        found = registered_probes() if registered is None else registered
        self._watched = [_WatchedProbe(probe) for probe in found]
        self._context = context
        self._clock = clock

    def advance(self) -> None:
        """Take finished looks and start those that are due. Never waits."""
        for watched in self._watched:
            watched.advance(self._context, self._clock())

    def look_once(self) -> None:
        """One look of every probe, waited for LOOK_SECONDS_MAX together: for a caller that runs once."""
        self.advance()
        deadline = time.monotonic() + LOOK_SECONDS_MAX
        while any(each.latest is None for each in self._watched) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            self.advance()

    def look_again(self) -> Mapping[ProblemKey, Confirmation]:
        """Advance, then what the latest looks say."""
        self.advance()
        return self.confirmations()

    def confirmations(self) -> Mapping[ProblemKey, Confirmation]:
        """What the latest looks say about every watched problem."""
        return {
            key: watched.confirmation(key) for watched in self._watched for key in watched.probe.watched(self._context)
        }

    def evidence(self) -> list[Evidence]:
        """The problems that are there now."""
        name, now = self._context.pipeline.name, datetime.now(UTC)
        problems = [problem for watched in self._watched for problem in watched.present()]
        return [Evidence(name, each.cause, each.subject, OBSERVER, now, each.message) for each in problems]


def registered_probes() -> tuple[Probe, ...]:
    """New instances of the probes that the modules of `tasks/incidents/probes/` list in PROBES."""
    names = [module.name for module in pkgutil.iter_modules(probes.__path__)]
    modules = [importlib.import_module(f"{probes.__name__}.{name}") for name in names]
    return tuple(probe() for module in modules for probe in module.PROBES)


def _observe(probe: Probe, context: ProbeContext, look: _Look) -> None:
    """One look. A defect of one probe must not end the looks of the others."""
    try:
        look.sighting = probe.observe(context)
    except AutopilotError as exc:
        look.sighting = Sighting(reason=str(exc), readable=False)
    except Exception as exc:
        log.exception("probe_failed", probe=probe.name)
        look.sighting = Sighting(reason=f"the probe failed: {exc!r}", readable=False)
