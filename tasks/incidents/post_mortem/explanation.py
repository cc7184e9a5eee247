"""Sentences that explain an incident: how it was confirmed, which common causes and remedies were considered."""

from dataclasses import dataclass
from datetime import datetime

from healing.decision import ConsideredRemedy
from healing.incident import Remedy
from healing.policy import remedies_for
from tasks.incidents.post_mortem.account import Account, IncidentTimes

NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class ExplainedChoice:
    """One decision about a remedy: when, what was decided and why, and what became of each remedy."""

    at: datetime
    step: str
    reason: str
    considered: tuple[ConsideredRemedy, ...]


def clock_of(account: Account) -> str:
    """The format of the account's times: with the date if it spans more than one day."""
    days = {event.at.date() for event in account.timeline}
    return "%H:%M:%S" if len(days) == 1 else "%Y-%m-%d %H:%M:%S"


def confirmation_of(account: Account) -> str:
    """How the problem was confirmed, or why it was not."""
    confirmed = next((each for each in account.timeline if each.what == "confirmed"), None)
    if confirmed is not None:
        return f"confirmed at {confirmed.at:{clock_of(account)}}Z: {confirmed.detail or 'by its detector'}"
    if account.incident.attempts:
        return "its detector was certain, and treated it at once"
    last = account.decisions[-1].decision if account.decisions else None
    return "not confirmed" if last is None else f"not confirmed: {last.presence} ({last.presence_reason})"


def common_causes_of(account: Account) -> str:
    """Which common causes were considered, and whether one explains the incident."""
    recorded = [each.decision.common_causes for each in account.decisions if each.decision.common_causes.considered]
    if not recorded:
        return "none: the problem is not that of one model" if account.decisions else NOT_KNOWN
    causes = next((each for each in recorded if each.found is not None), recorded[0])
    models = f"{causes.affected} of {causes.serving} serving models had the problem"
    listed = ", ".join(causes.considered)
    if causes.found is not None:
        return f"considered {listed}: {causes.found} explains it; {models}"
    return f"considered {listed}: none explains it; {models}"


def allowed_of(account: Account) -> str:
    """Which remedies policy allowed, in which order, and which it left out."""
    if not account.allowed:
        if account.incident.attempts and not account.decisions:
            return "its detector chose the remedy; the healer decided nothing"
        return "no remedy was considered"
    learned = order_was_learned(account)
    listed = ", ".join(_with_odds(each) for each in account.allowed)
    order = "learned from outcomes, with the odds that each comes first" if learned else "as policy lists them"
    named = {each.remedy for each in account.allowed} | {Remedy.ESCALATE}
    left_out = [remedy for remedy in remedies_for(account.incident.cause) if remedy not in named]
    outside = f"; not in the policy: {', '.join(left_out)}" if left_out else ""
    return f"{listed} ({order}){outside}"


def order_was_learned(account: Account) -> bool:
    """Whether the remedies were tried in an order that was learned from outcomes."""
    return any(each.odds is not None for each in account.allowed)


def choices_of(account: Account) -> tuple[ExplainedChoice, ...]:
    """The decisions in which remedies were considered, oldest first."""
    return tuple(
        ExplainedChoice(each.at, each.decision.step, each.decision.reason, each.decision.considered)
        for each in account.decisions
        if each.decision.considered
    )


def budget_of(account: Account) -> str:
    """What the last decision had used of each limit."""
    if not account.decisions:
        return NOT_KNOWN
    budget = account.decisions[-1].decision.budget
    return (
        f"{budget.attempts} of {budget.attempts_max} attempts within the window, {budget.attempts_today} of "
        f"{budget.attempts_daily_max} today, {budget.recoveries} of {budget.recoveries_max} recoveries"
    )


def times_in_words(times: IncidentTimes) -> dict[str, str]:
    """The times by name, such as `3.2 s`; `not recorded` for the others."""
    named = {
        "detected": times.to_detect,
        "confirmed": times.to_confirm,
        "first remedy": times.to_first_remedy,
        "mitigated": times.to_mitigate,
        "escalated": times.to_escalate,
        "recovered": times.to_recover,
    }
    return {name: "not recorded" if seconds is None else f"{seconds:,.1f} s" for name, seconds in named.items()}


def requests_in_words(account: Account) -> str:
    """How the gateway answered during the incident."""
    requests = account.requests
    if requests is None:
        return f"{NOT_KNOWN}: the gateway was not read twice during the incident"
    counts = requests.counts
    said = f"{counts.good:,} good, {counts.degraded:,} degraded (a fallback answered), {counts.failed:,} failed"
    clock = clock_of(account)
    between = f"between {requests.since:{clock}}Z and {requests.until:{clock}}Z"
    missing = "; the gateway restarted, and some requests before it are missing" if requests.restarted else ""
    return f"{said}, {between}{missing}"


def _with_odds(each: ConsideredRemedy) -> str:
    return str(each.remedy) if each.odds is None else f"{each.remedy} {each.odds:.2f}"
