"""The dashboard *Serving*: traffic, errors, latency and queues per version, the trial, and the gateway itself."""

from deploy.grafana.panels import chart, dashboard_json, number

_HERE = 'pipeline="$pipeline"'
_RATE = f"sum(rate(gateway_requests_total{{{_HERE}}}[$__rate_interval]))"
_DEGRADED = f'sum(rate(gateway_requests_total{{{_HERE}, rung=~"fallback|baseline"}}[$__rate_interval]))'
_FAILED = f"sum(rate(gateway_requests_failed_total{{{_HERE}}}[$__rate_interval]))"


def _rate(metric: str, by: str, selector: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{_HERE}{selector}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "") -> str:
    buckets = _rate(f"{metric}_bucket", f"{by}, le" if by else "le")
    return f"histogram_quantile({share}, {buckets})"


def _per_version(metric: str) -> str:
    return f"max by (version) ({metric}{{{_HERE}}})"


_TRAFFIC = [
    number("Answered requests", "reqps", _RATE),
    number("Without an answer", "percentunit", f"{_FAILED} / ({_RATE} + {_FAILED} > 0)"),
    number("Degraded", "percentunit", f"{_DEGRADED} / ({_RATE} > 0)", "Answered by a fallback or the baseline."),
    number("Release", "none", f"max(gateway_release_generation_active{{{_HERE}}})", "Generation that answers."),
    chart("Answers by rung", "reqps", {"{{rung}}": _rate("gateway_requests_total", "rung")}),
    chart("Requests by protocol", "reqps", {"{{protocol}}": _rate("gateway_protocol_requests_total", "protocol")}),
    chart(
        "Requests without an answer, by status",
        "reqps",
        {"{{status}}": _rate("gateway_requests_refused_total", "status")},
    ),
    chart(
        "Time to answer",
        "s",
        {f"{share:.0%}": _quantile(share, "gateway_request_duration_seconds") for share in (0.5, 0.9, 0.99)},
    ),
    chart(
        "Requests in progress, rows that wait",
        "short",
        {
            "requests": f"sum(gateway_requests_in_flight{{{_HERE}}})",
            "rows for {{version}}": f"sum by (version) (gateway_version_queue_rows{{{_HERE}}})",
        },
    ),
]
_VERSIONS = [
    chart(
        "Answers by version",
        "reqps",
        {"{{version}}": _rate("gateway_version_requests_total", "version", ', outcome="answered"')},
    ),
    chart(
        "Failures by version",
        "reqps",
        {"{{version}}": _rate("gateway_version_requests_total", "version", ', outcome="failed"')},
    ),
    chart(
        "99 % of the time to answer, by version",
        "s",
        {"{{version}}": _quantile(0.99, "gateway_version_request_duration_seconds", "version")},
    ),
    chart(
        "Mean rows per batch",
        "short",
        {
            "{{version}}": f"{_rate('gateway_version_batch_rows_sum', 'version')}"
            f" / ({_rate('gateway_version_batch_rows_count', 'version')} > 0)"
        },
    ),
    chart("Worker ready", "short", {"{{version}}": _per_version("gateway_version_ready")}),
    chart("Breaker open", "short", {"{{version}}": _per_version("gateway_version_breaker_open")}),
    chart("Role", "short", {"{{version}}: {{role}}": f"max by (version, role) (gateway_version_role{{{_HERE}}})"}),
    chart(
        "Age of the model",
        "s",
        {"{{version}}": f"time() - {_per_version('gateway_version_created_timestamp_seconds')}"},
    ),
]
_TRIAL = [
    chart(
        "Evidence against the challenger",
        "none",
        {
            "{{check}}": f"max by (check) (gateway_trial_log_e{{{_HERE}}})",
            "{{check}} fails at": f"max by (check) (gateway_trial_log_e_threshold{{{_HERE}}})",
        },
        "Log of the e-value per check. At its threshold a check fails and the trial is aborted.",
    ),
    chart(
        "Share of the challenger",
        "percentunit",
        {"{{version}} {{mode}}": f"max by (version, mode) (gateway_trial_weight_ratio{{{_HERE}}})"},
    ),
    chart("Requests of the stage", "short", {"{{arm}}": f"sum by (arm) (gateway_trial_stage_requests{{{_HERE}}})"}),
    chart(
        "Failed requests of the stage", "short", {"{{arm}}": f"sum by (arm) (gateway_trial_stage_errors{{{_HERE}}})"}
    ),
    chart(
        "Failed checks", "short", {"{{check}}": f'max by (check) (gateway_trial_verdict{{{_HERE}, verdict="FAIL"}})'}
    ),
    chart("Rows copied to a shadow", "short", {"{{outcome}}": _rate("gateway_shadow_rows_total", "outcome")}),
]
_GATEWAY = [
    chart("Problems", "short", {"{{cause}}": f"max by (cause) (gateway_problems{{{_HERE}}}) > 0"}),
    chart("Rows that are not in the log", "short", {"{{instance}}": f"gateway_unlogged_rows{{{_HERE}}}"}),
    chart("Failing loops", "short", {"{{loop}}": f"max by (loop) (gateway_loop_failing{{{_HERE}}}) > 0"}),
    chart("Restarts of workers", "short", {"{{version}}": _rate("gateway_version_restarts_total", "version")}),
]


def serving_dashboard() -> str:
    """The JSON of the dashboard."""
    rows = {"Traffic": _TRAFFIC, "Versions": _VERSIONS, "Trial": _TRIAL, "Gateway": _GATEWAY}
    return dashboard_json("Autopilot: serving", "autopilot-serving", rows)
