"""Documents of the status page, as a gateway and a healer write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

CHAMPION, CHALLENGER = "a" * 64, "b" * 64
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


def section(value: Any, error: str = "", broken: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"value": value, "error": error, "broken": list(broken)}


def worker(digest: str, version: str, role: str, **changed: Any) -> dict[str, Any]:
    lately = {
        "requests": 512,
        "errors": 0,
        "latency_p50_seconds": 0.002,
        "latency_p99_seconds": 0.014,
        "confidence": 0.6,
    }
    usual = {"pid": 7, "state": "ready", "breaker": "closed", "restarts": 0, "lately": lately}
    return {"digest": digest, "version": version, "role": role, **usual, **changed}


def release(generation: int, **changed: Any) -> dict[str, Any]:
    usual = {
        "generation": generation,
        "created_at": ago(86_400 - generation),
        "reason": "bootstrap",
        "author": "ada",
        "champion": "1.0.0",
        "champion_digest": CHAMPION,
        "challenger": None,
        "mode": None,
        "weight": None,
        "fenced": [],
        "incident_id": None,
        "note": "",
    }
    return {**usual, **changed}


def incident(**changed: Any) -> dict[str, Any]:
    usual = {
        "id": "1b2c3d4e-0000-4000-8000-000000000000",
        "cause": "model_failing",
        "subject": CHAMPION,
        "status": "healing",
        "open": True,
        "summary": "version 1.0.0 fails requests that others answer",
        "detected_at": ago(60),
        "mitigated_at": None,
        "ended_at": None,
        "attempts": [
            {
                "number": 1,
                "remedy": "restart_worker",
                "outcome": "running",
                "started_at": ago(50),
                "ended_at": None,
                "note": "",
            }
        ],
        "decision": {
            "at": ago(40),
            "step": "verify",
            "reason": "golden rows must pass for 10 s",
            "remedy": "restart_worker",
            "presence": "",
            "attempts": 1,
            "attempts_max": 3,
            "verified": "",
        },
        "waits_for_approval": [],
    }
    return {**usual, **changed}


def check(name: str, **changed: Any) -> dict[str, Any]:
    usual = {
        "check": name,
        "outcome": "INCONCLUSIVE",
        "log_e": 2.5,
        "threshold_log_e": 10.0,
        "observations": 300,
        "votes": True,
        "reason": "challenger failed 0 of 300 requests",
    }
    return {**usual, **changed}


def trial(**changed: Any) -> dict[str, Any]:
    usual = {
        "digest": CHALLENGER,
        "version": "1.1.0",
        "mode": "canary",
        "weight": 0.1,
        "generation": 2,
        "challenger": {"requests": 300, "errors": 0, "latency_p50_ms": 2.0},
        "champion": {"requests": 2700, "errors": 1, "latency_p50_ms": 2.0},
        "slow_seconds": 0.03,
        "verdict": "INCONCLUSIVE",
        "reason": None,
        "checks": [check("errors")],
    }
    return {**usual, **changed}


def progress(**changed: Any) -> dict[str, Any]:
    usual = {
        "pipeline": "tiny",
        "digest": CHALLENGER,
        "version": "1.1.0",
        "phase": "watching",
        "at": ago(1),
        "stage": 2,
        "stages": 4,
        "mode": "canary",
        "weight": 0.1,
        "requests": 300,
        "errors": 0,
        "champion_requests": 2700,
        "champion_errors": 1,
        "requests_needed": 412,
        "seconds_left": 340.0,
        "checks": [check("errors"), check("quality", log_e=None)],
        "question": "",
        "reason": "",
    }
    return {**usual, **changed}


def sections(**changed: Any) -> dict[str, Any]:
    tables = [
        {
            "table": "events",
            "newest_day": "2026-02-28",
            "recorded_at": ago(300),
            "batches": 60,
            "rejected_batches": 1,
            "accepted_rows": 58_231,
            "quarantined_rows": 112,
        }
    ]
    quality = {
        "check": "quality",
        "outcome": "PASS",
        "reason": "increase +0.0012",
        "observations": 5120,
        "statistic": 0.0012,
        "threshold": 0.02,
        "window_until": ago(86_400),
        "recorded_at": ago(3000),
    }
    drill = {
        "name": "kill-worker",
        "ablated": None,
        "started_at": ago(90_000),
        "exit": 0,
        "reason": "recovered in 2.1 s at most",
        "durations": {"detect": [0.1, 0.4], "act": [0.2, 0.6], "mitigate": [0.3, 0.8], "recover": [1.6, 2.1]},
        "requests": {"good": 900, "degraded": 12, "failed": 0, "wrong": 0},
        "remedies": ["restart_worker"],
    }
    usual = {
        "incidents": section([]),
        "pause": section(None),
        "data": section({"stale_after_days": 3, "tables": tables}),
        "checks": section({"latest": [quality], "quality_history": [0.001, None, 0.002, 0.0012]}),
        "rollout": section(None),
        "drills": section([drill]),
    }
    return {**usual, **changed}


def traffic(**changed: Any) -> dict[str, Any]:
    at = [NOW.timestamp() - 5 * number for number in range(20)][::-1]
    zero = [0.0] * 20
    window = {"seconds": 100.0, "requests": 1240, "good": 1240, "degraded": 0, "failed": 0, "rate": 12.4}
    versions = [
        {"digest": CHAMPION, "rates": [12.4] * 20, "requests": 1240, "errors": 0, "asked": 1240, "rate_now": 12.4}
    ]
    usual = {
        "sample_seconds": 5.0,
        "at": at,
        "versions": versions,
        "baseline": zero,
        "degraded": zero,
        "failed": zero,
        "p50_seconds": [0.002] * 20,
        "p99_seconds": [0.013, 0.015] * 10,
        "window": window,
        "now": {**window, "seconds": 30.0},
    }
    return {**usual, **changed}


def document(**changed: Any) -> dict[str, Any]:
    """A healthy pipeline; `serving`, `sections` and the other parts may be replaced."""
    serving = {
        "pipeline": "tiny",
        "desired_generation": 1,
        "active_generation": 1,
        "release": {"champion": {"digest": CHAMPION, "version": "1.0.0"}},
        "problems": [],
        "trial": None,
        "shadow": None,
        "workers": [worker(CHAMPION, "1.0.0", "champion")],
        "served": {"good": 1240, "degraded": 0, "failed": 0},
        "unlogged_rows": 0,
    }
    model = {"trained_at": ago(200_000), "trained_until": "2026-02-25", "flavor": "sklearn-skops", "metrics": {}}
    usual = {
        "pipeline": "tiny",
        "at": ago(0),
        "serving": serving | changed.pop("serving", {}),
        "models": {CHAMPION: model},
        "traffic": traffic(),
        "loops": [],
        "releases": [release(1)],
        "control_plane": {"error": "", "age_seconds": 1.0, "written_at": ago(1), "sections": sections()},
    }
    if "sections" in changed:
        usual["control_plane"]["sections"] = sections(**changed.pop("sections"))
    return {**usual, **changed}


def empty() -> dict[str, Any]:
    """A gateway before its first release, started without a control plane."""
    nothing = {"seconds": 0, "requests": 0, "degraded": 0, "failed": 0, "rate": 0.0}
    columns = ("at", "versions", "baseline", "degraded", "failed", "p50_seconds", "p99_seconds")
    no_columns: dict[str, list[Any]] = {column: [] for column in columns}
    return document(
        serving={"release": None, "workers": [], "active_generation": 0, "desired_generation": 0},
        models={},
        traffic={**no_columns, "window": nothing, "now": nothing},
        releases=[],
        control_plane={"error": "the healer has written no snapshot yet"},
    )
