"""Tables of the canary benchmark: mistakes and delays of every method."""

from collections.abc import Mapping
from typing import Any

_METHODS = {
    "ours": "ours",
    "fixed_threshold_1": "success below 99 % in one minute (Flagger, 1 failed check)",
    "fixed_threshold_5": "in five minutes (Flagger, 5 failed checks)",
    "mann_whitney": "Mann-Whitney every ten minutes (Kayenta)",
    "z_test": "two proportions every minute at 0.001",
}
_ERROR_RATES = {"1": "1 %", "5": "5 %", "50": "50 %"}


def mistakes_table(result: Mapping[str, Any]) -> str:
    """How often sound canaries were rolled back, per method."""
    rows = [
        "| method | sound canaries rolled back | with clients that fail repeatedly | in an outage of both |",
        "|---|---:|---:|---:|",
        *(
            f"| {_METHODS[name]} | {_percent(found['sound_rollback_share'])} | "
            f"{_percent(found['sticky_rollback_share'])} | "
            f"{_percent(found['outage_rollbacks'] / result['figures']['outage_runs'])} |"
            for name, found in _found(result).items()
        ),
    ]
    return "\n".join(rows) + "\n"


def delays_table(result: Mapping[str, Any]) -> str:
    """Median of the challenger's requests until the rollback, per method, at a share of 5 %."""
    rows = [
        "| method | "
        + " | ".join(f"fails {shown}" for shown in _ERROR_RATES.values())
        + " | 5 %, after 20,000 clean requests |",
        "|---|" + "---:|" * (len(_ERROR_RATES) + 1),
        *(
            f"| {_METHODS[name]} | "
            + " | ".join(_requests(found[f"error_{rate}_share_5_p50_requests"]) for rate in _ERROR_RATES)
            + f" | {_requests(found['late_p50_requests'])} |"
            for name, found in _found(result).items()
        ),
    ]
    return "\n".join(rows) + "\n"


def _found(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {"ours": result["figures"], **result["peers"]}


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _requests(count: float | None) -> str:
    return "fewer than half found" if count is None else f"{count:,.0f}"
