"""Outcomes of trials in shorthand, for tests of reports."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from chaos.outcome import DrillOutcome, machine_kind
from chaos.verdict import Durations, Exit


def trial(code=Exit.RECOVERED, seconds=None, *, name="model-corruption", minute=0, **changes):
    """A trial that took `seconds` to recover; without them it has no times."""
    timed = {}
    if seconds is not None:
        times = {"t0": (-0.1, 0.0), "t1": (0.0, 0.1), "t2": (0.9, 1.0), "t3": (1.0, 1.1), "t4": (0.0, 0.1)}
        timed = {
            "durations": Durations(detect=(1.0, 2.0), mitigate=(0.0, 0.1), recover=(seconds - 1, seconds)),
            "timings": {**times, "t5": (seconds - 1, seconds)},
        }
    given = {"machine": machine_kind(), "revision": "abc", **timed, **changes}
    return DrillOutcome(
        name=name,
        pipeline="flights",
        started_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute),
        exit=code,
        reason=given.pop("reason", ""),
        directory=given.pop("directory", Path("/nowhere")),
        **given,
    )
