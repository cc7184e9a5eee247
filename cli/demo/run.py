"""Runs the demo: an empty home, a stack on it, the chapters, and the report at the end."""

import importlib
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chaos.lab import Lab
from cli.control_plane import connect, log_to_stderr
from cli.demo.classify import ModelCopies, classify, reference_answers
from cli.demo.demo_stack import DemoStack
from cli.demo.expected_outcomes import missing_outcomes
from cli.demo.report import (
    ChapterReport,
    Material,
    Report,
    incident_summary,
    release_summary,
    render,
    requests_report,
    rows_report,
    this_machine,
    this_revision,
)
from cli.demo.scenario import CHAPTERS
from cli.demo.timeline import Timeline
from cli.demo.traffic import Traffic
from cli.stack.home import check_home, reap_leftovers, refuse_second
from cli.stack.process_tree import ProcessTree, tail, wait_until
from cli.stack.services import PROJECT_DIR, START_SECONDS_MAX
from cli.stack.supervisor import ServiceFailed
from releases.files import write_atomically
from releases.log import ReleaseLog
from releases.signing import PUBLIC_KEY_FILE
from releases.store import ModelStore
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.ledger.store import Ledger

PIPELINE = "flights"
HEAVY = ("pandas", "sklearn.ensemble", "great_expectations", "evidently", "mlflow", "skops.io", "matplotlib.figure")
CHECKS_SHOWN = 200


def run_demo(settings: Settings, *, keep: bool) -> Report:
    """Play the chapters in `<home>/demo`, which is emptied first. Ctrl-C ends everything that was started."""
    directory = settings.home / "demo"
    console = Console()
    state = _fresh_home(settings, directory)
    traffic = Traffic(directory)
    with ProcessTree() as tree, Timeline(console, lambda: f"{traffic.count():,} answers") as timeline:
        _start_stack(tree, state, directory, timeline)
        stack = _open_stack(tree, directory, timeline, traffic)
        report = _play(stack, console)
        if keep:
            timeline.say(f"the stack stays up: {stack.settings.addresses().require('prefect')}; Ctrl-C ends it")
            signal.pause()
    return report


def _fresh_home(settings: Settings, directory: Path) -> Path:
    """The demo's own home, empty. Raises Conflict when a demo or an `up` runs there."""
    load_pipeline(PIPELINE, settings.pipelines_dir)
    check_home(settings.home)
    state = directory / "state"
    refuse_second(state)
    if state.exists():
        reap_leftovers(state)
    if directory.exists():
        shutil.rmtree(directory)
    for part in ("state", "requests", "copies/models"):
        (directory / part).mkdir(parents=True)
    return state


def _start_stack(tree: ProcessTree, state: Path, directory: Path, timeline: Timeline) -> None:
    timeline.chapter("Starting Prefect, worker, feed and gateway")
    ready, log = directory / "ready", directory / "up.log"
    command = [sys.executable, "-m", "cli", "up", "--home", str(state), "--pipeline", PIPELINE]
    process = tree.start([*command, "--ready-file", str(ready)], os.environ, log, PROJECT_DIR)
    os.environ["AUTOPILOT_HOME"] = str(state)
    connect(load_settings())  # silences what the imports would print; they do not include Prefect
    for name in HEAVY:  # Prefect's server keeps one core busy while it starts, and leaves the other idle
        importlib.import_module(name)
    wait_until(lambda: ready.exists() or process.poll() is not None, START_SECONDS_MAX + 10)
    if not ready.exists():
        raise ServiceFailed(f"expected a stack within {START_SECONDS_MAX:.0f} s, found: {tail(log)}")
    connect(load_settings())
    log_to_stderr(logging.ERROR)  # the timeline shows the same events


def _open_stack(tree: ProcessTree, directory: Path, timeline: Timeline, traffic: Traffic) -> DemoStack:
    settings = load_settings()
    ledger = Ledger(settings.ledger_dsn)
    log = ReleaseLog(settings.release_root(PIPELINE))
    store = ModelStore(settings.release_root(PIPELINE))
    copies = _model_copies(settings, directory)
    timeline.follow(ledger, log, PIPELINE, on_release=lambda release: copies.keep(store, release))
    return DemoStack(
        settings=settings,
        pipeline=load_pipeline(PIPELINE, settings.pipelines_dir),
        lab=Lab.open(settings.home, PIPELINE, directory),
        ledger=ledger,
        log=log,
        tree=tree,
        traffic=traffic,
        timeline=timeline,
        directory=directory,
        today=date(2013, 1, 1),
    )


def _model_copies(settings: Settings, directory: Path) -> ModelCopies:
    return ModelCopies(directory / "copies", settings.keys_dir / PUBLIC_KEY_FILE)


def _play(stack: DemoStack, console: Console) -> Report:
    chapters = []
    for chapter in CHAPTERS:
        stack.timeline.chapter(chapter.title)
        began = time.monotonic()
        chapter.play(stack)
        chapters.append(ChapterReport(title=chapter.title, seconds=round(time.monotonic() - began, 1)))
    stack.timeline.chapter("Classifying every answer")
    report = _write_report(stack, chapters)
    _show(report, stack, console)
    return report


def _write_report(stack: DemoStack, chapters: Sequence[ChapterReport]) -> Report:
    releases = stack.log.history()
    answers = stack.traffic.answers()
    references = reference_answers(
        answers, stack.traffic.requests_directory, _model_copies(stack.settings, stack.directory)
    )
    classes = classify(answers, references, {release.generation: release.baseline for release in releases})
    batches = stack.ledger.batches(stack.name)
    incidents = stack.ledger.incidents(stack.name)[::-1]
    report = Report(
        requests=requests_report(classes),
        rows=rows_report(batches),
        incidents=tuple(incident_summary(incident, stack.expected_incidents) for incident in incidents),
        releases=tuple(map(release_summary, releases)),
        chapters=tuple(chapters),
        machine=this_machine(),
        revision=this_revision(),
    )
    report = report.model_copy(update={"missing": missing_outcomes(report)})
    checks = {
        record.verdict.check: stack.ledger.check_history(stack.name, record.verdict.check, CHECKS_SHOWN)
        for record in stack.ledger.latest_checks(stack.name)
    }
    page = render(report, Material(answers, classes, batches, checks))
    write_atomically(stack.directory / "report.json", report.model_dump_json(indent=2).encode())
    write_atomically(stack.directory / "report.html", page.encode())
    return report


def _show(report: Report, stack: DemoStack, console: Console) -> None:
    table = Table("cause", "remedies", "detected", "mitigated", "recovered", title="Incidents, seconds from the fault")
    for incident in report.incidents:
        times = (incident.detected_s, incident.mitigated_s, incident.recovered_s)
        shown = ("-" if seconds is None else f"{seconds:.1f}" for seconds in times)
        table.add_row(str(incident.cause), ", ".join(incident.remedies), *shown)
    console.print(table)
    counts = ", ".join(f"{name} {value:,}" for name, value in report.requests.model_dump().items())
    console.print(f"requests: {counts}")
    home = stack.settings.home
    for what, where in (
        ("report", stack.directory / "report.html"),
        ("Prefect UI", f"autopilot up --home {home}   (resumes this stack and prints its address)"),
        ("MLflow UI", f"mlflow ui --backend-store-uri {stack.settings.tracking_uri}"),
        ("history", f"autopilot history {PIPELINE} --home {home}"),
    ):
        console.print(f"{what + ':':<12} {where}", soft_wrap=True, highlight=False)
    for outcome in report.missing:
        console.print(f"MISSING: {outcome}", style="bold red", soft_wrap=True)
