"""Puts the demo on: its own home, its own stack, the story, and the report at the end."""

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
from cli.demo.expectations import missing_outcomes
from cli.demo.judge import Pristine, classify, reference_answers
from cli.demo.report import (
    ChapterReport,
    Report,
    incident_report,
    release_report,
    requests_report,
    rows_report,
    this_machine,
    this_revision,
)
from cli.demo.report_html import Material, render
from cli.demo.stage import Stage
from cli.demo.story import CHAPTERS
from cli.demo.timeline import Timeline
from cli.demo.traffic import Traffic
from cli.home import check_home, reap_leftovers, refuse_second
from cli.processes import ProcessTree, tail, wait_until
from cli.stack import PROJECT_DIR, START_SECONDS_MAX
from cli.supervisor import ServiceFailed
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
    """Play the story in `<home>/demo`; its state is made anew each time. Ctrl-C ends everything that was started."""
    directory = settings.home / "demo"
    console = Console()
    state = _fresh_home(settings, directory)
    traffic = Traffic(directory)
    with ProcessTree() as tree, Timeline(console, lambda: f"{traffic.count():,} answers") as timeline:
        _start_stack(tree, state, directory, timeline)
        stage = _set_stage(tree, directory, timeline, traffic)
        report = _play(stage, console)
        if keep:
            timeline.say(f"the stack stays up: {stage.settings.addresses().require('prefect')}; Ctrl-C ends it")
            signal.pause()
    return report


def _fresh_home(settings: Settings, directory: Path) -> Path:
    """The demo's own home, empty; a demo or an `up` that runs there is not disturbed."""
    load_pipeline(PIPELINE, settings.pipelines_dir)
    check_home(settings.home)
    state = directory / "state"
    refuse_second(state)
    if state.exists():
        reap_leftovers(state)
    if directory.exists():
        shutil.rmtree(directory)
    for part in ("state", "requests", "pristine/models"):
        (directory / part).mkdir(parents=True)
    return state


def _start_stack(tree: ProcessTree, state: Path, directory: Path, timeline: Timeline) -> None:
    timeline.chapter("Starting Prefect, worker, feed and gateway")
    ready, log = directory / "ready", directory / "up.log"
    command = [sys.executable, "-m", "cli", "up", "--home", str(state), "--pipeline", PIPELINE]
    process = tree.start([*command, "--ready-file", str(ready)], os.environ, log, PROJECT_DIR)
    os.environ["AUTOPILOT_HOME"] = str(state)
    connect(load_settings())  # silences what the imports would print; Prefect is not among them
    for name in HEAVY:  # Prefect's server keeps one core busy while it starts, and leaves the other idle
        importlib.import_module(name)
    wait_until(lambda: ready.exists() or process.poll() is not None, START_SECONDS_MAX + 10)
    if not ready.exists():
        raise ServiceFailed(f"expected a stack within {START_SECONDS_MAX:.0f} s, found: {tail(log)}")
    connect(load_settings())
    log_to_stderr(logging.ERROR)  # the timeline tells what the warnings would


def _set_stage(tree: ProcessTree, directory: Path, timeline: Timeline, traffic: Traffic) -> Stage:
    settings = load_settings()
    ledger = Ledger(settings.ledger_dsn)
    log = ReleaseLog(settings.release_root(PIPELINE))
    store = ModelStore(settings.release_root(PIPELINE))
    pristine = _pristine(settings, directory)
    timeline.follow(ledger, log, PIPELINE, on_release=lambda release: pristine.keep(store, release))
    return Stage(
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


def _pristine(settings: Settings, directory: Path) -> Pristine:
    return Pristine(directory / "pristine", settings.keys_dir / PUBLIC_KEY_FILE)


def _play(stage: Stage, console: Console) -> Report:
    chapters = []
    for chapter in CHAPTERS:
        stage.timeline.chapter(chapter.title)
        began = time.monotonic()
        chapter.play(stage)
        chapters.append(ChapterReport(title=chapter.title, seconds=round(time.monotonic() - began, 1)))
    stage.timeline.chapter("Judging every answer")
    report = _write_report(stage, chapters)
    _show(report, stage, console)
    return report


def _write_report(stage: Stage, chapters: Sequence[ChapterReport]) -> Report:
    releases = stage.log.history()
    answers = stage.traffic.answers()
    references = reference_answers(
        answers, stage.traffic.requests_directory, _pristine(stage.settings, stage.directory)
    )
    classes = classify(answers, references, {release.generation: release.baseline for release in releases})
    batches = stage.ledger.batches(stage.name)
    incidents = stage.ledger.incidents(stage.name)[::-1]
    report = Report(
        requests=requests_report(classes),
        rows=rows_report(batches),
        incidents=tuple(incident_report(incident, stage.troubles) for incident in incidents),
        releases=tuple(map(release_report, releases)),
        chapters=tuple(chapters),
        machine=this_machine(),
        revision=this_revision(),
    )
    report = report.model_copy(update={"missing": missing_outcomes(report)})
    checks = {
        record.verdict.check: stage.ledger.check_history(stage.name, record.verdict.check, CHECKS_SHOWN)
        for record in stage.ledger.latest_checks(stage.name)
    }
    page = render(report, Material(answers, classes, batches, checks))
    write_atomically(stage.directory / "report.json", report.model_dump_json(indent=2).encode())
    write_atomically(stage.directory / "report.html", page.encode())
    return report


def _show(report: Report, stage: Stage, console: Console) -> None:
    table = Table(
        "cause", "remedies", "detected", "mitigated", "recovered", title="Incidents, seconds from the trouble"
    )
    for incident in report.incidents:
        times = (incident.detected_s, incident.mitigated_s, incident.recovered_s)
        shown = ("-" if seconds is None else f"{seconds:.1f}" for seconds in times)
        table.add_row(str(incident.cause), ", ".join(incident.remedies), *shown)
    console.print(table)
    counts = ", ".join(f"{name} {value:,}" for name, value in report.requests.model_dump().items())
    console.print(f"requests: {counts}")
    home = stage.settings.home
    for what, where in (
        ("report", stage.directory / "report.html"),
        ("Prefect UI", f"autopilot up --home {home}   (resumes this stack and prints its address)"),
        ("MLflow UI", f"mlflow ui --backend-store-uri {stage.settings.tracking_uri}"),
        ("history", f"autopilot history {PIPELINE} --home {home}"),
    ):
        console.print(f"{what + ':':<12} {where}", soft_wrap=True, highlight=False)
    for outcome in report.missing:
        console.print(f"MISSING: {outcome}", style="bold red", soft_wrap=True)
