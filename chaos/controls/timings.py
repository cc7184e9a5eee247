"""Records the start of a drill, and at its end writes the section `autopilot` of the journal from the record.

chaoslib swallows what a control raises; the section is then missing, and the runner calls that a harness failure.
"""

import json
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from typing import Any

from chaos import golden_rows, leases, ledger, record
from chaos.flow_work import MISSING_WORK
from chaos.lab import Lab, new_directory
from chaos.probes.answers_are_logged import UNLOGGED
from chaos.recovery import (
    ESCALATED,
    ClassifiedAnswer,
    Interval,
    Timings,
    in_time,
    timings_of_batch,
    timings_of_requests,
    unproven_faults,
)
from chaos.reference_answers import AnswerClass, ReferenceAnswers
from chaos.spec import DrillSpec, Indicator, spec_of
from chaos.staging.refusals import REFUSED, refusals
from chaos.verdict import SECTION, Counts, DrillFindings, Durations, OpenedIncident

__all__ = ["START", "after_experiment_control", "before_experiment_control", "conclude", "configure_control"]

START = "start"
TIMINGS_FILE = "timings.json"


def configure_control(configuration: MutableMapping[str, Any], experiment: Mapping[str, Any]) -> None:
    """Create a directory for the drill, unless the runner chose one."""
    home = Path(configuration["home"]).absolute()
    configuration["home"] = str(home)
    if not configuration.get("drill_dir"):
        configuration["drill_dir"] = str(new_directory(home, spec_of(experiment).name))


def before_experiment_control(context: Mapping[str, Any], configuration: Mapping[str, Any]) -> None:
    """Store the last id of the ledger's journal, and why the target does not let the experiment break it."""
    lab = Lab.of(configuration)
    record.remember(lab.directory, REFUSED, refusals(context, lab))
    record.remember(lab.directory, START, {"ledger_id": ledger.last_id(lab.ledger), "at": time.monotonic()})


def after_experiment_control(
    context: Mapping[str, Any], state: MutableMapping[str, Any], configuration: Mapping[str, Any]
) -> None:
    """Compute the findings from the record, and put them into the live journal."""
    lab = Lab.of(configuration)
    start = record.recall(lab.directory, START)
    record.keep_entries(lab.directory, lab.journal_after(start["ledger_id"]))
    _complete_reference(lab)
    findings = conclude(spec_of(context), lab.directory)
    section = findings.model_dump(mode="json")
    state[SECTION] = section
    (lab.directory / TIMINGS_FILE).write_text(json.dumps(section, indent=2), encoding="utf-8")


def conclude(spec: DrillSpec, directory: Path) -> DrillFindings:
    """The findings from a drill's record."""
    samples, entries, answers = record.samples(directory), record.entries(directory), record.answers(directory)
    reference = ReferenceAnswers.read(directory)
    classified = [(answer, reference.classify(answer)) for answer in answers]
    if spec.limits.answer_seconds is not None:
        classified = [in_time(answer, kind, spec.limits.answer_seconds) for answer, kind in classified]
    if spec.indicator is Indicator.REQUESTS:
        limits = spec.limits
        timings = timings_of_requests(
            classified,
            samples,
            entries,
            causes=spec.causes,
            slo=limits.slo,
            window_seconds=limits.window_seconds,
            hold_seconds=limits.hold_seconds,
            from_first_fault=spec.proven_in_turn,
        )
    else:
        timings = timings_of_batch(samples, entries, causes=spec.causes)
    return DrillFindings(
        spec=spec,
        timings={name: None if at is None else (at["before"], at["after"]) for name, at in asdict(timings).items()},
        durations=_durations(timings),
        requests=_count(classified),
        latency_seconds=_latency([answer.latency_seconds for answer in answers]),
        incidents=tuple(
            OpenedIncident(cause=str(entry.detail.get("cause", "")), subject=str(entry.detail.get("subject", "")))
            for entry in entries
            if entry.kind == "incident.opened"
        ),
        remedies=tuple(str(e.detail.get("remedy", "")) for e in entries if e.kind == "attempt.started"),
        escalations=sum(entry.kind == ESCALATED for entry in entries),
        unlogged=int(_result(directory, UNLOGGED, 0)),
        missing_work=tuple(_result(directory, MISSING_WORK, ())),
        unproven=tuple(unproven_faults(samples)),
        outstanding_leases=sum(lease.outstanding for lease in leases.read_all(directory / "leases")),
    )


def _result(directory: Path, name: str, default: Any) -> Any:
    """The result of a probe; `default` if the drill has no such probe."""
    try:
        return record.recall(directory, name)
    except FileNotFoundError:
        return default


def _complete_reference(lab: Lab) -> None:
    """Collect reference answers of models that appeared during the drill."""
    known = ReferenceAnswers.read(lab.directory)
    unknown = {answer.digest for answer in record.answers(lab.directory)} - set(known.answers)
    if unknown:
        requests = golden_rows.kept_requests(lab)
        golden_rows.collect_answers(lab, requests, known).write(lab.directory)


def _durations(timings: Timings) -> Durations:
    def pair(interval: Interval | None) -> tuple[float, float] | None:
        return None if interval is None else (interval.before, interval.after)

    return Durations(
        detect=pair(timings.detect),
        act=pair(timings.act),
        mitigate=pair(timings.mitigate),
        recover=pair(timings.recover),
    )


def _count(classified: Sequence[ClassifiedAnswer]) -> Counts:
    classes = [kind for _, kind in classified]
    return Counts(total=len(classes), **{kind.value: classes.count(kind) for kind in AnswerClass})


def _latency(seconds: Sequence[float]) -> dict[str, float]:
    """Quantiles over all requests, failed ones included, from the moment each was due."""
    if len(seconds) < 2:
        return {}
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "max": max(seconds)}
