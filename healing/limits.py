"""Limits of healing: how often and how long it tries one cause, before a person is notified."""

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
