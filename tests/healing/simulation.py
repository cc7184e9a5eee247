"""Incidents on a simulated clock: a world that breaks and heals by chance, and an executor that follows the plan.

People who approve, refuse or do not answer, and maintenance windows, are part of the world.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from healing.approval import Approval, ApprovalOutcome
from healing.diagnosis import Confirmation, Presence
from healing.incident import Attempt, Cause, Incident, Remedy, Status, check_status_change
from healing.limits import Limits
from healing.moment import Moment
from healing.plan import Carrier, View, plan
from healing.steps import AskApproval, Confirm, Dismiss, Escalate, Finish, Recover, Resume, Start, Wait
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
    approval_needed: frozenset = frozenset()
    answer: ApprovalOutcome | None = None  # of the person who is asked; None: nobody answers
    answer_seconds: float = 0.0
    window_every_seconds: float | None = None  # a maintenance window of a third of this time begins that often
    window_remedies: frozenset = frozenset()
    asked: dict = field(default_factory=dict)  # approvals by incident id
    starts: list = field(default_factory=list)
    waited_for_window: int = 0

    @classmethod
    def drawn(cls, random):
        """A world by chance."""
        return cls(
            works={remedy: random.choice([0.0, 0.3, 0.9, 1.0]) for remedy in LADDER},
            lasts_seconds=random.choice([30.0, 600.0, float("inf")]),
            real=random.random() < 0.9,
            blind_share=random.choice([0.0, 0.1, 0.5]),
            lost_share=random.choice([0.0, 0.2]),
            approval_needed=frozenset(remedy for remedy in LADDER if random.random() < 0.2),
            answer=random.choice([ApprovalOutcome.APPROVED, ApprovalOutcome.APPROVED, ApprovalOutcome.REFUSED, None]),
            answer_seconds=random.choice([1.0, 60.0, 600.0]),
            window_every_seconds=random.choice([None, None, 120.0, 600.0]),
            window_remedies=random.choice([frozenset(LADDER), frozenset(LADDER[:2])]),
        )

    def pass_time(self, seconds):
        self.seconds += seconds
        if self.breaks_again_at is not None and self.seconds >= self.breaks_again_at:
            self.broken, self.breaks_again_at = True, None

    def apply(self, remedy, random):
        if random.random() < self.works[remedy]:
            self.broken = False
            self.breaks_again_at = self.seconds + self.lasts_seconds if self.lasts_seconds < 1e9 else None

    def is_held_back(self, remedy, seconds):
        """Whether a maintenance window holds the remedy back at this time."""
        every = self.window_every_seconds
        return every is not None and seconds % every < every / 3 and remedy in self.window_remedies

    def approvals(self, incident_id):
        """The approvals of the incident, answered after their time."""
        asked = self.asked.setdefault(incident_id, [])
        for index, each in enumerate(asked):
            is_due = self.seconds - each.asked.boot_seconds >= self.answer_seconds
            if each.outcome is None and self.answer is not None and is_due:
                asked[index] = replace(each, outcome=self.answer, decided_by="ann")
        return tuple(asked)

    def observe(self, random):
        if random.random() < self.blind_share:
            return Confirmation(Presence.INCONCLUSIVE, "nobody answers")
        if self.broken and self.real:
            return Confirmation(Presence.CONFIRMED, "broken")
        return Confirmation(Presence.ABSENT, "sound")


def drawn_limits(random):
    """Limits of a cause by chance."""
    return Limits(
        attempts_max=random.choice([1, 3, 3, 5]),
        cooldown_seconds=random.choice([0.0, 30.0, 60.0]),
        window_seconds=random.choice([1_800.0, 3_600.0]),
        attempts_daily_max=random.choice([6, 24]),
        recoveries_max=random.choice([1, 3]),
        hold_seconds=random.choice([0.0, 5.0]),
        approval_seconds_max=200.0,
    )


def simulate(world, limits, random, incidents_max=40):
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
    step = None
    while not incident.ended:
        # Long waits (for a cool-down, an approval, the end of a window) are crossed in larger steps.
        world.pass_time(15.0 if isinstance(step, Wait) and incident.status is not Status.OPEN else 1.0)
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
            attempts_today=sum(len(each.attempts) for each in (*history, incident)),
            recoveries=ends,
            carrier=Carrier.LOST if lost else Carrier.UNKNOWN,
            verification=verification if running is not None else None,
            held_back={remedy: "maintenance" for remedy in LADDER if world.is_held_back(remedy, world.seconds)},
            approval_needed=world.approval_needed,
            approvals=world.approvals(incident.id),
            verified_seconds=0.0 if passing_since is None else world.seconds - passing_since,
        )
        before = incident.status
        step = plan(incident, view, limits, now)
        world.waited_for_window += step == Wait("maintenance")
        incident, passing_since = _execute(step, incident, world, random, passing_since)
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
        case AskApproval(number, remedy):
            world.asked[incident.id].append(Approval(number, remedy, at(world.seconds)))
            return incident, passing_since
        case Start(remedy):
            moment = at(world.seconds)
            world.starts.append((remedy, world.seconds))
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
