"""Runs one drill: the experiment in a process of its own, then the verdict from its journal.

home/drills/<name>/<utc>/
    experiment.yaml  the experiment that ran
    journal.json     Chaos Toolkit's journal, with the section `autopilot`
    timings.json     that section alone
    outcome.json     verdict and exit code
    samples.jsonl, answers.jsonl, ledger.jsonl, reference.json, leases/, chaos.log
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from chaos import leases
from chaos.drill_lock import check_leftovers, only_drill
from chaos.experiment_files import Experiment, WrongUsage, find
from chaos.experiment_run import JOURNAL_FILE, run_experiment
from chaos.faults.disabled_remedy import DisabledRemedy
from chaos.lab import Lab, new_directory
from chaos.outcome import DrillOutcome, outcome_of, store
from chaos.spec import DrillSpec
from chaos.staging.credentials import check_credentials
from chaos.staging.refusals import refusals
from chaos.staging.target import WrongTarget
from chaos.verdict import Exit, Judgement, judge

__all__ = ["run_drill"]

ABLATION_SECONDS_MORE = 120.0  # how much longer than its drill an ablation may last before the reaper ends it


def run_drill(
    name: str,
    home: Path,
    *,
    pipeline: str,
    ablate: str | None = None,
    variables: Mapping[str, float] | None = None,
) -> DrillOutcome:
    """Break the stack on `home` as drill `name` describes, wait for recovery, judge it, and store the outcome.

    `name` may also be `pair-SEED` or `liveness-SEED`, drawn by the seed (`chaos/compose/sampled.py`), or the directory
    of an earlier trial, whose experiment is then run again as it was.
    `ablate` switches a remedy off during the drill. `variables` replace durations and rates of the experiment's
    configuration. WrongUsage for an unknown drill or remedy, for a stack that the
    drill cannot break, and while another drill runs; StackDown when no stack is up.
    """
    experiment = find(name)
    home = home.absolute()
    _check(experiment, home, pipeline, ablate)
    with only_drill(home):
        check_leftovers(home)
        directory = new_directory(home, experiment.name)
        lab = Lab.open(home, pipeline, directory)
        started_at = datetime.now(UTC)
        store(outcome_of(experiment.spec, pipeline, started_at, ablate, None, directory))  # so that a kill is on record
        try:
            judgement = _run_ablated(experiment, lab, home, ablate, variables or {})
        except httpx.HTTPError as exc:
            judgement = Judgement(Exit.HARNESS_FAILED, f"remedy {ablate} could not be switched off and on: {exc!r}")
    outcome = outcome_of(experiment.spec, pipeline, started_at, ablate, judgement, directory)
    store(outcome)
    return outcome


def _run_ablated(
    experiment: Experiment, lab: Lab, home: Path, ablate: str | None, variables: Mapping[str, float]
) -> Judgement:
    """Run and judge the experiment with a remedy switched off; httpx.HTTPError when the switch fails."""
    off = () if ablate is None else (ablate, *experiment.spec.substitutes)
    with ExitStack() as disabled:
        for remedy in off:
            disabled.enter_context(_ablated(lab, experiment.spec, remedy))
        stopped, left = run_experiment(experiment, lab, home, variables), _undo(lab)
    judgement = stopped or left or judge(_journal(lab.directory))
    findings = judgement.findings
    used = [] if findings is None else [remedy for remedy in off if remedy in findings.remedies]
    if used:
        return Judgement(Exit.HARNESS_FAILED, f"remedy {used[0]} was switched off and was used all the same", findings)
    return judgement


def _check(experiment: Experiment, home: Path, pipeline: str, ablate: str | None) -> None:
    """Refuse what cannot work, before anything is written."""
    if ablate is not None and ablate not in experiment.spec.ablations:
        known = ", ".join(experiment.spec.ablations) or "none"
        raise WrongUsage(f"drill {experiment.name} can be run without one of these remedies: {known}; found {ablate!r}")
    try:
        lab = Lab.open(home, pipeline, home)
        if lab.target is not None:
            check_credentials(lab.target)
    except WrongTarget as exc:
        raise WrongUsage(str(exc)) from exc
    served = lab.served_pipeline()
    if served and served != pipeline:
        raise WrongUsage(f"{lab.name} serves pipeline {served!r}, found --pipeline {pipeline!r}")
    refused = refusals(yaml.safe_load(experiment.text), lab, ablate)
    if refused:
        raise WrongUsage(f"drill {experiment.name} cannot run: {'; '.join(refused)}")


@contextmanager
def _ablated(lab: Lab, spec: DrillSpec, remedy: str) -> Iterator[None]:
    """Disable the remedy as a lease, so that it is enabled again even if this process dies."""
    ttl_seconds = spec.deadline_seconds + ABLATION_SECONDS_MORE
    fault = DisabledRemedy(home=lab.home, remedy=remedy, seconds_max=ttl_seconds)
    lease = leases.take(lab.directory / "ablation", fault, ttl_seconds=ttl_seconds)
    try:
        yield
    finally:
        leases.give_back(lab.directory / "ablation", lease)


def _undo(lab: Lab) -> Judgement | None:
    """Undo the faults of a killed experiment; a judgement when that fails. The reaper goes on trying."""
    try:
        leases.give_back_all(lab.leases)
    except (OSError, httpx.HTTPError) as exc:
        return Judgement(Exit.HARNESS_FAILED, f"a fault could not be undone ({exc!r}); the reaper goes on trying")
    return None


def _journal(directory: Path) -> Mapping[str, Any] | None:
    try:
        journal: Mapping[str, Any] = json.loads((directory / JOURNAL_FILE).read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return journal
