"""The dashboard *Healing*: incidents, attempts, data, monitor checks and drills."""

from deploy.grafana.panels import chart, dashboard_json, number

_HERE = 'pipeline="$pipeline"'


def _max(metric: str, by: str, selector: str = "") -> str:
    return f"max by ({by}) ({metric}{{{_HERE}{selector}}})"


def _age(metric: str, by: str) -> str:
    return f"time() - {_max(metric, by)}"


_RECOVERED = _max("autopilot_incident_recovery_seconds_count", "cause")
_SPENT = _max("autopilot_incident_recovery_seconds_sum", "cause")

_INCIDENTS = [
    number("Need a person", "none", f"sum({_max('autopilot_incidents_needing_person', 'cause')})"),
    number("Are being healed", "none", f"sum({_max('autopilot_incidents_unfinished', 'cause')})"),
    number(
        "Healed in the time shown",
        "none",
        "sum(max by (cause) (increase(autopilot_incident_recovery_seconds_count{" + _HERE + "}[$__range])))",
    ),
    number("Last round of the healer", "s", _age("autopilot_healer_heartbeat_timestamp_seconds", "pipeline")),
    chart(
        "Incidents that are being healed",
        "short",
        {"{{cause}}": f"{_max('autopilot_incidents_unfinished', 'cause')} > 0"},
    ),
    chart(
        "Incidents that need a person",
        "short",
        {"{{cause}}": f"{_max('autopilot_incidents_needing_person', 'cause')} > 0"},
    ),
    chart("Mean time to recover", "s", {"{{cause}}": f"{_SPENT} / ({_RECOVERED} > 0)"}, "Of all recovered incidents."),
    chart("Escalations", "short", {"{{cause}}": f"{_max('autopilot_escalations_total', 'cause')} > 0"}),
    chart("Attempts", "short", {"{{remedy}} {{outcome}}": _max("autopilot_attempts_total", "remedy, outcome")}),
    chart("Dismissed incidents", "short", {"{{cause}}": f"{_max('autopilot_incidents_dismissed_total', 'cause')} > 0"}),
]
_DATA = [
    chart("Age of the newest day", "s", {"{{table}}": _age("autopilot_table_newest_day_timestamp_seconds", "table")}),
    chart("Time since the last batch", "s", {"{{table}}": _age("autopilot_table_recorded_timestamp_seconds", "table")}),
    chart("Rows", "short", {"{{table}} {{outcome}}": _max("autopilot_table_rows", "table, outcome")}),
    chart("Batches", "short", {"{{table}} {{outcome}}": _max("autopilot_table_batches", "table, outcome")}),
    chart(
        "Statistics of the monitor",
        "none",
        {
            "{{check}}": _max("autopilot_monitor_statistic", "check"),
            "{{check}} fails at": _max("autopilot_monitor_threshold", "check"),
        },
    ),
    chart(
        "Failed checks of the monitor",
        "short",
        {"{{check}}": _max("autopilot_monitor_verdict", "check", ', verdict="FAIL"')},
    ),
]
_DRILLS = [
    chart("Time to recover in the last drill", "s", {"{{drill}}": _max("autopilot_drill_recovery_seconds", "drill")}),
    chart("Last drill recovered", "short", {"{{drill}}": _max("autopilot_drill_recovered", "drill")}),
]
_CONTROL_PLANE = [
    number("Ledger answers", "none", _max("autopilot_ledger_up", "pipeline")),
    number("Unsent messages to people", "none", _max("autopilot_alerts_unsent", "pipeline")),
    number("Paused", "none", _max("autopilot_pipeline_paused", "pipeline")),
    number("Age of these metrics", "s", _age("autopilot_metrics_written_timestamp_seconds", "pipeline")),
]


def healing_dashboard() -> str:
    """The JSON of the dashboard."""
    rows = {"Incidents": _INCIDENTS, "Data and quality": _DATA, "Drills": _DRILLS, "Control plane": _CONTROL_PLANE}
    return dashboard_json("Autopilot: healing", "autopilot-healing", rows)
