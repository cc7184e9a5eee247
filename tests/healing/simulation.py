"""Incidents on a simulated clock: a world that breaks and heals by chance, and an executor that follows the plan."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from healing.diagnosis import Confirmation, Presence
from healing.incident import Attempt, Cause, Incident, Remedy, Status, check_status_change
from healing.moment import Moment
from healing.plan import Carrier, View, plan
from healing.steps import Confirm, Dismiss, Escalate, Finish, Recover, Resume, Start
from healing.verdict import Outcome, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
LADDER = (Remedy.WAIT, Remedy.RESTART_WORKER, Remedy.ROLLBACK)


def at(seconds):
    """The moment `seconds` after the start of the simulation, on one boot."""
    return Moment(START + timedelta(seconds=seconds), "boot", float(seconds))


@dataclass
class World:
    """One subject that is broken. Each remedy works with its own probability, for ever or for a while."""

    works: dict
    lasts_seconds: float
    real: bool
    blind_share: float
    lost_share: float
    seconds: float = 0.0
    broken: bool = True
    breaks_again_at: float | None = None
    working: dict = field(default_factory=dict)

    @classmethod
    def drawn(cls, random):
        """A world by chance."""
        return cls(
            works={remedy: random.choice([0.0, 0.3, 0.9, 1.0]) for remedy in LADDER},
            lasts_seconds=random.choice([30.0, 600.0, float("inf")]),
            real=random.random() < 0.9,
            blind_share=random.choice([0.0, 0.1, 0.5]),
            lost_share=random.choice([0.0, 0.2]),
        )

    def pass_time(self, seconds):
        self.seconds += seconds
        if self.breaks_again_at is not None and self.seconds >= self.breaks_again_at:
            self.broken, self.breaks_again_at = True, None

    def apply(self, remedy, random):
        if random.random() < self.works[remedy]:
            self.broken = False
            self.breaks_again_at = self.seconds + self.lasts_seconds if self.lasts_seconds < 1e9 else None

    def observe(self, random):
        if random.random() < self.blind_share:
            return Confirmation(Presence.INCONCLUSIVE, "nobody answers")
        if self.broken and self.real:
            return Confirmation(Presence.CONFIRMED, "broken")
        return Confirmation(Presence.ABSENT, "sound")


def simulate(world, limits, random, incidents_max=8):
    """The incidents of one subject, each followed until it is closed or escalated, the last one included."""
    history = []
    for number in range(incidents_max):
        incident = Incident(str(number), "p", Cause.MODEL_FAILING, "s", Status.OPEN, at(world.seconds).wall)
        ended_at = _follow(incident, history, world, limits, random)
        history.append(ended_at)
        if ended_at.status is Status.ESCALATED or world.breaks_again_at is None:
            return history
        world.pass_time(world.breaks_again_at - world.seconds)
    raise AssertionError("a subject that breaks again and again was never escalated")


def _follow(incident, history, world, limits, random):
    since, presence = world.seconds, None
    passing_since = None
    ends = [at_end for at_end in (_end_of(each) for each in history) if at_end is not None]
    while not incident.ended:
        world.pass_time(1.0)
        now = at(world.seconds)
        confirmation = world.observe(random)
        if confirmation.presence is not presence:
            since, presence = world.seconds, confirmation.presence
        verification = _verify(world, random)
        if verification.outcome is not Outcome.PASS:
            passing_since = None
        elif passing_since is None:
            passing_since = world.seconds
        running = incident.running_attempt
        lost = running is not None and running.applied is None
        view = View(
            confirmation,
            (*LADDER, Remedy.ESCALATE),
            present_seconds=world.seconds - since,
            earlier=[attempt for each in history for attempt in each.attempts],
            recoveries=ends,
            carrier=Carrier.LOST if lost else Carrier.UNKNOWN,
            verification=verification if running is not None else None,
            verified_seconds=0.0 if passing_since is None else world.seconds - passing_since,
        )
        before = incident.status
        incident, passing_since = _execute(plan(incident, view, limits, now), incident, world, random, passing_since)
        if incident.status is not before:
            check_status_change(before, incident.status)
    return replace(incident, ended_at=at(world.seconds).wall)


def _verify(world, random):
    if random.random() < world.blind_share:
        return Verdict("service", Outcome.INCONCLUSIVE, "no clients", 0)
    return Verdict("service", Outcome.FAIL if world.broken else Outcome.PASS, "observed", 1)


_STATUS = {
    Confirm: Status.DIAGNOSED,
    Dismiss: Status.DISMISSED,
    Recover: Status.RECOVERED,
    Escalate: Status.ESCALATED,
}


def _execute(step, incident, world, random, passing_since):
    if type(step) in _STATUS:
        return replace(incident, status=_STATUS[type(step)]), passing_since
    match step:
        case Start(remedy):
            moment = at(world.seconds)
            attempt = Attempt(len(incident.attempts) + 1, remedy, moment.wall, started_on=moment)
            incident = replace(incident, status=Status.HEALING, attempts=(*incident.attempts, attempt))
            is_lost = random.random() < world.lost_share  # killed between the record and the remedy
            return incident if is_lost else _apply(incident, world, random), None
        case Resume():
            return _apply(incident, world, random), None
        case Finish(number, outcome, reason):
            return _changed(incident, number, outcome=outcome, note=reason), passing_since
        case _:
            return incident, passing_since


def _apply(incident, world, random):
    attempt = incident.attempts[-1]
    world.pass_time(random.uniform(0.1, 10))
    world.apply(attempt.remedy, random)
    return _changed(incident, attempt.number, applied=at(world.seconds))


def _changed(incident, number, **changes):
    attempts = tuple(replace(each, **changes) if each.number == number else each for each in incident.attempts)
    return replace(incident, attempts=attempts)


def _end_of(incident):
    if incident.status is not Status.RECOVERED:
        return None
    return Moment(incident.ended_at, "boot", (incident.ended_at - START).total_seconds())
