"""How one trial of a drill ended, as it is stored, with where and on what it was measured."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from chaos.spec import DrillSpec
from chaos.staging.target import active_target
from chaos.verdict import Counts, Durations, Exit, Judgement

__all__ = ["OUTCOME_FILE", "DrillOutcome", "machine_kind", "outcome_of", "read_outcomes", "revision", "store"]

OUTCOME_FILE = "outcome.json"
DISTRIBUTION = "mlops-autopilot"
UNFINISHED = "the drill has not ended: it still runs, or it was killed"
_PACKAGE_PARENT = Path(__file__).resolve().parent.parent


class DrillOutcome(BaseModel):
    """One trial. Durations are seconds, [at least, at most]; `timings` are the same, counted from t0.

    `causes` are those of the incidents that the system opened, `expected_causes` are true ones of which one had to be
    found, and `further_causes` are also true. `fault` is False if nothing harmful was done. `target` names the target
    file of a stack elsewhere.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    pipeline: str
    started_at: AwareDatetime
    exit: Exit
    reason: str
    ablated: str | None = None
    durations: Durations = Durations()
    requests: Counts = Counts()
    directory: Path
    timings: Mapping[str, tuple[float, float] | None] = {}
    fault: bool = True
    causes: tuple[str, ...] = ()
    expected_causes: tuple[str, ...] = ()
    further_causes: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    machine: str = ""
    revision: str = ""
    target: str = ""


def outcome_of(
    spec: DrillSpec,
    pipeline: str,
    started_at: datetime,
    ablate: str | None,
    judgement: Judgement | None,
    directory: Path,
) -> DrillOutcome:
    """The outcome of a judged trial; of one that has not ended when `judgement` is None."""
    findings = None if judgement is None else judgement.findings
    return DrillOutcome(
        name=spec.name,
        pipeline=pipeline,
        started_at=started_at,
        exit=Exit.ABORTED if judgement is None else judgement.exit,
        reason=UNFINISHED if judgement is None else judgement.reason,
        ablated=ablate,
        durations=findings.durations if findings else Durations(),
        requests=findings.requests if findings else Counts(),
        directory=directory,
        timings=_since_fault(findings.timings) if findings else {},
        fault=spec.fault and not spec.quiet,
        causes=tuple(incident.cause for incident in findings.incidents) if findings else (),
        expected_causes=spec.causes,
        further_causes=spec.further_causes,
        remedies=findings.remedies if findings else (),
        machine=machine_kind(),
        revision=revision(),
        target=target.name if (target := active_target()) else "",
    )


def store(outcome: DrillOutcome) -> None:
    """Write the outcome into its directory in one step."""
    beside = outcome.directory / f".{OUTCOME_FILE}"
    beside.write_text(outcome.model_dump_json(indent=2), encoding="utf-8")
    beside.replace(outcome.directory / OUTCOME_FILE)


def read_outcomes(home: Path) -> list[DrillOutcome]:
    """Every stored outcome below `home`, the oldest first."""
    files = (home / "drills").glob(f"*/*/{OUTCOME_FILE}")
    outcomes = [DrillOutcome.model_validate_json(path.read_bytes()) for path in files]
    return sorted(outcomes, key=lambda outcome: outcome.started_at)


def machine_kind() -> str:
    """Number of cores and architecture: times of different kinds are not compared."""
    return f"{os.cpu_count()}-cores-{platform.machine()}"


@cache
def revision() -> str:
    """The commit of this checkout, marked when files differ from it; the installed version without a checkout."""
    asked = subprocess.run(
        ["git", "-C", str(_PACKAGE_PARENT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 0:
        return asked.stdout.strip()
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


def _since_fault(timings: Mapping[str, tuple[float, float] | None]) -> Mapping[str, tuple[float, float] | None]:
    """The times in seconds after the fault was proven active; empty without a fault."""
    start = timings.get("t0")
    if start is None:
        return {}
    return {name: None if at is None else (at[0] - start[1], at[1] - start[1]) for name, at in timings.items()}
