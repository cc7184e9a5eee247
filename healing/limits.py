"""Limits of healing: how often and how long it tries one cause, before a person is notified; and which limits loop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How often and how long healing tries one cause, before a person is notified. All times in seconds."""

    attempts_max: int = 3  # per (pipeline, cause, subject) within window_seconds, over all incidents
    window_seconds: float = 3_600.0
    cooldown_seconds: float = 30.0  # between two starts of the same remedy, doubled with each attempt
    attempts_daily_max: int = 24  # per cause: a remedy that is needed every hour does not heal
    recoveries_max: int = 3  # within window_seconds; one more is flapping
    hold_seconds: float = 5.0  # how long verification must pass without a break
    verify_seconds_max: float = 60.0  # how long verification may take; an inconclusive one then counts as failed
    calm_seconds: float = 300.0  # how long the problem must be gone before an escalated incident closes
    remind_seconds: float | None = None  # how often an escalated incident is reported again; None: once only
    approval_seconds_max: float = 3_600.0  # how long a remedy waits for its approval; then the incident is escalated


_HOUR_SECONDS = 3_600.0
_DAY_SECONDS = 86_400.0
_SAME_SECONDS = 1e-6  # rounding of sums of times


def seconds_to_use_up(limits: Limits) -> float:
    """Longest time until the attempts of one incident are used up: one remedy only, and each attempt fails at once."""
    return limits.cooldown_seconds * (2.0 ** (limits.attempts_max - 1) - 1)


def attempts_possible(limits: Limits, remedies: int, seconds: float) -> int:
    """Most attempts that the budget and the cool-down of `remedies` remedies allow for one subject within `seconds`.

    Each attempt ends at once and the problem returns at once. The count stops at the daily cap.
    """
    starts: list[tuple[float, int]] = []
    now = 0.0
    while now < seconds and len(starts) < limits.attempts_daily_max:
        recent = [(at, which) for at, which in starts if now - at < limits.window_seconds - _SAME_SECONDS]
        if len(recent) >= limits.attempts_max:
            now = recent[0][0] + limits.window_seconds
            continue
        counts = [sum(which == each for _, which in recent) for each in range(remedies)]
        chosen = counts.index(min(counts))
        last = max((at for at, which in recent if which == chosen), default=-float("inf"))
        ready = last + limits.cooldown_seconds * 2.0 ** (counts[chosen] - 1)
        if ready > now + _SAME_SECONDS:
            now = ready
        else:
            starts.append((now, chosen))
    return len(starts)


def loops(limits: Limits, remedies: int) -> bool:
    """Whether a problem that returns at once uses up the attempts of a day within an hour.

    The budget of the window then never stops healing, because the window forgets attempts too early: it repeats its
    remedies at full speed until the daily cap stops it.
    """
    if remedies == 0 or limits.attempts_daily_max <= limits.attempts_max:
        return False
    return attempts_possible(limits, remedies, _HOUR_SECONDS) >= limits.attempts_daily_max


def never_escalates(limits: Limits) -> bool:
    """Whether an incident can wait for its cool-downs for more than a day before a person is notified."""
    return seconds_to_use_up(limits) > _DAY_SECONDS
