"""What policy.yaml may say, and the `policy` section of pipeline.yaml, which says the same per cause.

These classes know the shape only; `policy_checks` knows what fits together.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from healing.incident import Cause, Remedy
from healing.limits import Limits

_DEFAULT = Limits()
_HOUR, _DAY, _WEEK = 3_600.0, 86_400.0, 604_800.0
_ROUTES = "Routes: names from `alerts.routes`, or `default` for every address in AUTOPILOT_ALERT_URLS."


class PolicySection(BaseModel):
    """Base of the sections: frozen, without unknown keys. An error does not hide those of other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class LimitsSection(PolicySection):
    """Budgets and times. A key that is left out has the value of the level above."""

    attempts_max: int = Field(
        default=_DEFAULT.attempts_max,
        ge=1,
        le=100,
        description="Attempts per pipeline, cause and subject within the window, over all incidents; then a person "
        "is notified.",
    )
    window_seconds: float = Field(
        default=_DEFAULT.window_seconds,
        gt=0,
        le=_WEEK,
        description="Seconds after which attempts and recoveries of earlier incidents are forgotten.",
    )
    cooldown_seconds: float = Field(
        default=_DEFAULT.cooldown_seconds,
        ge=0,
        le=_DAY,
        description="Seconds between two starts of the same remedy, doubled with each attempt.",
    )
    attempts_daily_max: int = Field(
        default=_DEFAULT.attempts_daily_max,
        ge=1,
        le=1_000,
        description="Attempts per pipeline and cause within 24 hours, over all subjects; then a person is notified.",
    )
    recoveries_max: int = Field(
        default=_DEFAULT.recoveries_max,
        ge=1,
        le=100,
        description="Recoveries within the window; one more is flapping, and a person is notified.",
    )
    hold_seconds: float = Field(
        default=_DEFAULT.hold_seconds,
        ge=0,
        le=600,
        description="Seconds for which a remedy must be seen to work, without a break, before its incident closes.",
    )
    verify_seconds_max: float = Field(
        default=_DEFAULT.verify_seconds_max,
        gt=0,
        le=_HOUR,
        description="Seconds after which a remedy that is not seen to work has failed.",
    )
    calm_seconds: float = Field(
        default=_DEFAULT.calm_seconds,
        ge=0,
        le=_DAY,
        description="Seconds for which the problem of an escalated incident must be gone before the incident closes.",
    )
    remind_seconds: float | None = Field(
        default=_DEFAULT.remind_seconds,
        ge=60,
        le=_WEEK,
        description="Seconds between two reminders of an escalated incident; null: no reminders.",
    )
    approval_seconds_max: float = Field(
        default=_DEFAULT.approval_seconds_max,
        gt=0,
        le=_WEEK,
        description="Seconds that a remedy waits for its approval; then a person is notified and nothing is tried.",
    )


class KindRoutes(PolicySection):
    """Routes by kind of message. A kind that is left out is sent as the level above says."""

    escalation: tuple[str, ...] = Field(default=("default",), description=f"An incident that needs a person. {_ROUTES}")
    reminder: tuple[str, ...] = Field(
        default=("default",), description="An escalated incident that is still there, after `remind_seconds`."
    )
    approval: tuple[str, ...] = Field(default=("default",), description="A remedy that waits for its approval.")
    over: tuple[str, ...] = Field(default=("default",), description="The end of an escalated incident.")


class CauseSection(PolicySection):
    """What healing may do about one cause. A list in its place stands for `remedies`."""

    remedies: tuple[Remedy, ...] | None = Field(
        default=None, description="Remedies in the order to try, mildest first; an empty list escalates at once."
    )
    limits: LimitsSection = Field(default=LimitsSection(), description="Limits for this cause.")
    approval: tuple[Remedy, ...] | None = Field(
        default=None, description="Remedies of the list that a person approves before each attempt."
    )
    alerts: KindRoutes | None = Field(
        default=None, description="Routes for this cause by kind of message; a list stands for every kind."
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_a_list(cls, found: Any) -> Any:
        if isinstance(found, list | tuple):
            return {"remedies": found}
        if isinstance(found, dict):
            routes = found.get("alerts")
            every_kind = dict.fromkeys(KindRoutes.model_fields, routes)
            return {**found, "alerts": every_kind} if isinstance(routes, list) else found
        raise ValueError("a list of remedies, or a section with remedies, limits, approval or alerts")


class RouteSection(PolicySection):
    """Where the Apprise URL of a route is found: exactly one of the three keys."""

    env: str | None = Field(default=None, description="Environment variable with the URL.")
    file: str | None = Field(default=None, description="File with the URL, such as a mounted secret.")
    url: str | None = Field(default=None, description="The URL itself, if it contains no secret.")


class AlertsSection(PolicySection):
    """Routes, and the messages that they get. Every message is also logged and written to `alerts.jsonl`."""

    routes: dict[str, RouteSection] = Field(default_factory=dict, description="Routes by name.")
    send: KindRoutes = Field(default=KindRoutes(), description="Routes by kind of message.")


class WindowSection(PolicySection):
    """A maintenance window: once from `start` to `end`, or weekly on `days`."""

    name: str = Field(min_length=1, description="Name of the window, shown to people.")
    start: datetime | str | int = Field(
        description="Start: a date and time, or with `days` a time of day such as '22:00'."
    )
    end: datetime | str | int = Field(
        description="End, in the same form; with `days`, an end before the start is on the next day."
    )
    timezone: str | None = Field(default=None, description="IANA time zone of both, where they have no offset.")
    days: tuple[str, ...] = Field(default=(), description="Days on which it begins: mon, tue, wed, thu, fri, sat, sun.")
    causes: tuple[Cause, ...] | None = Field(
        default=None, description="Causes whose remedies are held back; null: all."
    )
    remedies: tuple[Remedy, ...] | None = Field(
        default=None, description="Remedies that are held back; null: all but those in `except`."
    )
    exempt: tuple[Remedy, ...] = Field(
        default=(Remedy.ABORT_CANARY, Remedy.ROLLBACK),
        alias="except",
        description="Remedies that start at any time, because serving needs them.",
    )
    pipelines: tuple[str, ...] | None = Field(default=None, description="Pipelines that it concerns; null: all.")


class PolicyFile(PolicySection):
    """The whole of policy.yaml."""

    limits: LimitsSection = Field(default=LimitsSection(), description="Limits for every cause.")
    alerts: AlertsSection = Field(default=AlertsSection(), description="Where messages to people are sent.")
    maintenance: tuple[WindowSection, ...] = Field(default=(), description="Maintenance windows.")
    causes: dict[Cause, CauseSection] = Field(
        default_factory=dict, description="Policy by cause; a cause that is left out has its default remedies."
    )
