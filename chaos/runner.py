"""Runs one drill: the experiment in a process of its own, then the verdict from its journal.

home/drills/<name>/<utc>/
    experiment.yaml  the experiment that ran
    journal.json     Chaos Toolkit's journal, with the section `autopilot`
    timings.json     that section alone
    outcome.json     verdict and exit code
    samples.jsonl, answers.jsonl, ledger.jsonl, reference.json, leases/, chaos.log
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from filelock import FileLock, Timeout

from chaos import leases, leftovers
from chaos.compose.drill import read_catalogue
from chaos.compose.experiment import to_yaml
from chaos.compose.sampled import sampled_drill
from chaos.faults.disabled_remedy import DisabledRemedy
from chaos.lab import FEEDS, Lab, new_directory
from chaos.outcome import DrillOutcome, outcome_of, store
from chaos.source_files import PIPELINES_VARIABLE, pipelines_dir, source_databases, source_files
from chaos.spec import DrillSpec, Indicator, spec_of
from chaos.verdict import Exit, Judgement, judge

__all__ = [
    "EXPERIMENTS",
    "PATIENCE_SECONDS",
    "WrongUsage",
    "clear_leftovers",
    "experiments",
    "find",
    "planned_faults",
    "request_stop",
    "run_drill",
]

EXPERIMENTS = Path(__file__).parent / "experiments"
EXPERIMENT_FILE = "experiment.yaml"
JOURNAL_FILE = "journal.json"
STOP_FILE = "stop"
STOP_POLL_SECONDS = 0.2
PATIENCE_SECONDS = 45.0  # for rollbacks, after a drill was asked to stop
ABLATION_SECONDS_MORE = 120.0  # how much longer than its drill an ablation may last before the reaper ends it
_PACKAGE_PARENT = Path(__file__).resolve().parent.parent


class WrongUsage(ValueError):
    """The drill cannot run with these arguments on this stack; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment, as the text of its file, and its promise."""

    name: str
    text: str
    title: str
    spec: DrillSpec


def experiments() -> list[Experiment]:
    """The drills that can be run, by name."""
    return [_read(path) for path in sorted(EXPERIMENTS.glob("*.yaml"))]


def find(name: str) -> Experiment:
    """The drill named `name`, a sampled one such as pair-SEED, or the one recorded in the directory `name`.

    WrongUsage lists the known ones.
    """
    recorded = Path(name) / EXPERIMENT_FILE
    if recorded.is_file():
        text = recorded.read_text(encoding="utf-8")
        return _parse(spec_of(yaml.safe_load(text)).name, text)
    try:
        sampled = sampled_drill(name, read_catalogue())
    except LookupError as exc:
        raise WrongUsage(str(exc)) from exc
    if sampled is not None:
        return _parse(name, to_yaml(sampled))
    path = EXPERIMENTS / f"{name}.yaml"
    known = [each.stem for each in sorted(EXPERIMENTS.glob("*.yaml"))]
    if name not in known:
        raise WrongUsage(
            f"expected a drill among {', '.join(known)}, pair-SEED, liveness-SEED or the directory of a trial, "
            f"found {name!r}"
        )
    return _read(path)


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
    with _only_drill(home):
        _check_leftovers(home)
        directory = new_directory(home, experiment.name)
        lab = Lab.open(home, pipeline, directory)
        started_at = datetime.now(UTC)
        store(outcome_of(experiment.spec, pipeline, started_at, ablate, None, directory))  # so that a kill is on record
        try:
            judgement = _run_ablated(experiment, lab, ablate, variables or {})
        except httpx.HTTPError as exc:
            judgement = Judgement(Exit.HARNESS_FAILED, f"remedy {ablate} could not be switched off and on: {exc!r}")
    outcome = outcome_of(experiment.spec, pipeline, started_at, ablate, judgement, directory)
    store(outcome)
    return outcome


def _run_ablated(experiment: Experiment, lab: Lab, ablate: str | None, variables: Mapping[str, float]) -> Judgement:
    """Run and judge the experiment with a remedy switched off; httpx.HTTPError when the switch fails."""
    off = () if ablate is None else (ablate, *experiment.spec.substitutes)
    with ExitStack() as disabled:
        for remedy in off:
            disabled.enter_context(_ablated(lab, experiment.spec, remedy))
        stopped, left = _run_experiment(experiment, lab, variables), _undo(lab)
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
    lab = Lab.open(home, pipeline, home)
    served = lab.served_pipeline()
    if served and served != pipeline:
        raise WrongUsage(f"the stack on {home} serves pipeline {served!r}, found --pipeline {pipeline!r}")
    if experiment.spec.indicator is Indicator.REQUESTS and not lab.gateway:
        raise WrongUsage(f"drill {experiment.name} sends requests, found no `gateway` in {home / 'addresses.json'}")
    needs = experiment.spec.needs
    if "proxy" in needs and not lab.proxy:
        raise WrongUsage(
            f"drill {experiment.name} needs a fault proxy between the services, found no `proxy` in "
            f"{home / 'addresses.json'}"
        )
    if "files" in needs and not source_files(pipelines_dir(), pipeline):
        raise WrongUsage(
            f"drill {experiment.name} breaks a data file of a source of kind files; pipeline {pipeline!r} has none in "
            f"{pipelines_dir()}"
        )
    if "database" in needs and not source_databases(pipelines_dir(), pipeline):
        raise WrongUsage(
            f"drill {experiment.name} breaks a SQLite database of a source of kind sql; pipeline {pipeline!r} has none "
            f"in {pipelines_dir()}"
        )
    missing = [service for service in needs if service in FEEDS and service not in lab.feeds]
    if missing:
        raise WrongUsage(
            f"drill {experiment.name} breaks the bundled source of a pipeline with `feed:` in its pipeline.yaml; "
            f"pipeline {pipeline!r} has none (no service {', '.join(missing)})"
        )
    if not lab.ledger.exists():
        raise WrongUsage(
            f"drills read the SQLite ledger of the state directory, found no {lab.ledger}; release a first model with "
            f"`autopilot bootstrap`, and leave AUTOPILOT_LEDGER_URL unset"
        )


def _check_leftovers(home: Path) -> None:
    """Refuse to measure a stack that an earlier drill has left broken. The lock of drills is held."""
    left = leftovers.find(home)
    if left:
        raise WrongUsage(
            f"faults of earlier drills are still active: {', '.join(each.title for each in left)}; undo them with "
            f"`autopilot drill clear`"
        )


def planned_faults(name: str) -> list[str]:
    """What drill `name` would take leases on, one line per fault; WrongUsage for an unknown drill."""
    content = yaml.safe_load(find(name).text)
    seconds = content["configuration"].get("fault_seconds_max")
    steps = [step["provider"] for step in content["method"] if step["provider"]["func"] == "inject_fault"]
    return [
        f"{each['arguments']['kind']} "
        + " ".join(f"{key}={value}" for key, value in sorted(each["arguments"]["arguments"].items()))
        + (" once a remedy has started" if each["arguments"].get("later") else "")
        + f", undone after {seconds:.0f} s at most"
        for each in steps
    ]


def request_stop(home: Path) -> None:
    """Ask the drill that runs on `home` to undo its faults and end; WrongUsage when none runs."""
    nothing = f"no drill runs on {home}"
    if not (home / "drills").is_dir():
        raise WrongUsage(nothing)
    try:
        with FileLock(home / "drills" / "lock", timeout=0):
            raise WrongUsage(nothing)
    except Timeout:
        (home / "drills" / STOP_FILE).touch()


def clear_leftovers(home: Path) -> list[str]:
    """Undo the faults that earlier drills left; return their titles. WrongUsage while a drill runs."""
    if not (home / "drills").is_dir():
        return []
    with _only_drill(home.absolute()):
        return [each.title for each in leftovers.clear(home.absolute())]


@contextmanager
def _only_drill(home: Path) -> Iterator[None]:
    """Hold the lock of drills: two at once would observe each other's faults."""
    (home / "drills").mkdir(exist_ok=True)
    stop = home / "drills" / STOP_FILE
    try:
        with FileLock(home / "drills" / "lock", timeout=0):
            stop.unlink(missing_ok=True)
            try:
                yield
            finally:
                stop.unlink(missing_ok=True)
    except Timeout as exc:
        raise WrongUsage(f"another drill runs on {home}; wait until it has ended") from exc


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


def _run_experiment(experiment: Experiment, lab: Lab, variables: Mapping[str, float]) -> Judgement | None:
    """Run the experiment to its end; a judgement when it had to be stopped.

    It has a session of its own: Ctrl-C reaches only this process, which then asks the experiment to undo its faults.
    """
    file = lab.directory / EXPERIMENT_FILE
    file.write_text(experiment.text, encoding="utf-8")
    command = [
        *(sys.executable, "-m", "chaostoolkit", "--no-version-check"),
        *("--settings", str(lab.directory / "no-settings.yaml")),  # not the user's own settings
        *("--log-file", str(lab.directory / "chaos.log")),
        *("run", "--journal-path", str(lab.directory / JOURNAL_FILE)),
        *("--var", f"home={lab.home}", "--var", f"pipeline={lab.pipeline}", "--var", f"drill_dir={lab.directory}"),
        *(word for name, value in variables.items() for word in ("--var", f"{name}:float={value}")),
        str(file),
    ]
    path = os.pathsep.join([str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (lab.directory / "console.log").open("wb") as console:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd=lab.directory,
            env={**os.environ, "PYTHONPATH": path, PIPELINES_VARIABLE: str(pipelines_dir())},
            start_new_session=True,
        )
    try:
        if not _wait(process, experiment.spec.deadline_seconds, lab.home / "drills" / STOP_FILE):
            _stop(process)
            return Judgement(Exit.ABORTED, "stopped by `autopilot drill stop`; the faults were undone")
    except subprocess.TimeoutExpired:
        _stop(process)
        seconds = experiment.spec.deadline_seconds
        return Judgement(Exit.HARNESS_FAILED, f"the experiment took longer than its {seconds:.0f} s and was stopped")
    except KeyboardInterrupt:
        _stop(process)
        return Judgement(Exit.ABORTED, "interrupted; the faults were undone")
    if process.returncode < 0:
        return Judgement(Exit.ABORTED, f"the experiment was killed by {signal.Signals(-process.returncode).name}")
    return None


def _wait(process: subprocess.Popen[bytes], seconds_max: float, stop: Path) -> bool:
    """Whether the process ended by itself; False as soon as `stop` exists. TimeoutExpired after `seconds_max`."""
    deadline = time.monotonic() + seconds_max
    while not stop.exists():
        try:
            process.wait(timeout=STOP_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise
        else:
            return True
    return False


def _undo(lab: Lab) -> Judgement | None:
    """Undo the faults of a killed experiment; a judgement when that fails. The reaper goes on trying."""
    try:
        leases.give_back_all(lab.leases)
    except (OSError, httpx.HTTPError) as exc:
        return Judgement(Exit.HARNESS_FAILED, f"a fault could not be undone ({exc!r}); the reaper goes on trying")
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the experiment to undo its faults and end; kill it when it does not end."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _journal(directory: Path) -> Mapping[str, Any] | None:
    try:
        journal: Mapping[str, Any] = json.loads((directory / JOURNAL_FILE).read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return journal


def _read(path: Path) -> Experiment:
    return _parse(path.stem, path.read_text(encoding="utf-8"))


def _parse(name: str, text: str) -> Experiment:
    content = yaml.safe_load(text)
    return Experiment(name=name, text=text, title=content["title"], spec=spec_of(content))
