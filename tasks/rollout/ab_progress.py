"""State of an A/B test as people and programs read it: the interval, what it decides, and the days still needed."""

from pydantic import AwareDatetime, BaseModel, ConfigDict

from healing.ab_effect import ABDecision, ABEffect
from healing.ab_rules import ABRules, Better, Ends

DAY_SECONDS = 86_400.0
ASSUMPTION = "if effect, spread and traffic stay as they were"


class ABProgress(BaseModel):
    """The difference is challenger minus champion per client; None where nothing is known yet.

    `days_needed` is an estimate of when the interval decides; None while it cannot be given. `missing_*` are the shares
    of rows without an outcome, `clipped_rows` had a value outside the bounds, `days_left` is the time to the end.
    """

    model_config = ConfigDict(frozen=True)

    outcome: str
    better: Better
    ends: Ends
    effect_min: float | None
    alpha: float
    measured_at: AwareDatetime | None = None
    decision: ABDecision = ABDecision.INCONCLUSIVE
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    challenger_clients: int = 0
    champion_clients: int = 0
    waiting_clients: int = 0
    missing_challenger: float = 0.0
    missing_champion: float = 0.0
    clipped_rows: int = 0
    days_running: float = 0.0
    days_needed: float | None = None
    days_left: float = 0.0

    @classmethod
    def starting(cls, rules: ABRules) -> "ABProgress":
        return cls(
            outcome=rules.outcome,
            better=rules.better,
            ends=rules.ends,
            effect_min=rules.effect_min,
            alpha=rules.alpha,
            days_left=rules.seconds_max / DAY_SECONDS,
        )

    def at(self, elapsed_seconds: float, rules: ABRules) -> "ABProgress":
        """The progress with its times after `elapsed_seconds`."""
        left = max(0.0, rules.seconds_max - elapsed_seconds)
        return self.model_copy(update={"days_running": elapsed_seconds / DAY_SECONDS, "days_left": left / DAY_SECONDS})


def days_needed(effect: ABEffect, elapsed_seconds: float) -> float | None:
    """Days until the interval decides, if effect, spread and traffic stay as they were; None where no day is in sight.

    Clients settle only `settle_seconds` after their first request, so the rate counts from then.
    """
    clients = effect.clients_needed()
    if clients is None:
        return None
    settling_days = max(elapsed_seconds - effect.rules.settle_seconds, 1.0) / DAY_SECONDS
    return clients * settling_days / effect.clients


def ab_line(ab: ABProgress) -> str:
    """One line: outcome, difference with its interval, clients, what it decides or the days still needed."""
    if ab.lower is None or ab.upper is None or ab.estimate is None:
        return f"{ab.outcome}: no client is settled yet, {ab.waiting_clients} wait"
    interval = f"{ab.estimate:+.4g} [{ab.lower:+.4g}, {ab.upper:+.4g}]"
    clients = f"{ab.challenger_clients} + {ab.champion_clients} clients"
    return f"{ab.outcome} {interval} at {1 - ab.alpha:.0%}, {clients}, {needed_in_words(ab)}"


def needed_in_words(ab: ABProgress) -> str:
    """What the interval decides, else the days still needed."""
    if ab.decision is not ABDecision.INCONCLUSIVE:
        return ab.decision.value.replace("_", " ")
    if ab.days_needed is None:
        return "days needed not known yet"
    later = " (after its end)" if ab.days_needed > ab.days_left else ""
    return f"about {ab.days_needed:.2g} more days{later}"


def ab_rows(ab: ABProgress) -> list[tuple[str, str]]:
    """Names and values for a table."""
    known = ab.lower is not None and ab.upper is not None and ab.estimate is not None
    smallest = "any" if ab.effect_min is None else f"{ab.effect_min:g}"
    return [
        ("outcome", f"{ab.outcome}, {ab.better.value} is better; smallest effect that matters: {smallest}"),
        ("difference", f"{ab.estimate:+.4g}" if known else "not known yet"),
        (f"interval ({1 - ab.alpha:.0%}, at every look)", f"[{ab.lower:+.4g}, {ab.upper:+.4g}]" if known else "-"),
        ("decision", ab.decision.value.replace("_", " ")),
        (f"days needed, {ASSUMPTION}", "not known yet" if ab.days_needed is None else f"{ab.days_needed:.2g}"),
        ("days left", f"{ab.days_left:.2g}"),
        ("settled clients", f"challenger {ab.challenger_clients}, champion {ab.champion_clients}"),
        ("clients not settled", str(ab.waiting_clients)),
        ("rows without outcome", f"challenger {ab.missing_challenger:.1%}, champion {ab.missing_champion:.1%}"),
        ("values outside the bounds", str(ab.clipped_rows)),
        ("ends", ab.ends.value.replace("_", " ")),
    ]
