"""Evidently's report of the newest window: the rows and the distances of the verdict, as a page and as a snapshot.

A few are kept: a page has about 4 MB, a snapshot 1 MB. `evidently ui --workspace` opens the snapshots of all pipelines.
"""

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from releases.files import write_atomically
from tasks.monitoring.distances import ColumnKind, columns_of
from tasks.monitoring.monitored_model import MonitoredModel

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

log = structlog.get_logger(__name__)

_REPORTS = "drift-*.html"
_PROJECTS = uuid.UUID("5f2a3c86-9d0e-4c8f-8a60-3d0c6c0f4b1e")  # so that two runs at once make the same project
_METHODS: Mapping[ColumnKind, str] = {"numeric": "wasserstein", "category": "jensenshannon"}


@task(cache_policy=NO_CACHE, persist_result=False)
def write_distribution_report(model: MonitoredModel, reports_dir: Path, workspace: Path) -> Path:
    """Write page and snapshot of the newest window unless they exist, and delete those that are too old or too many."""
    rules = model.rules
    name = f"{model.champion.manifest.version}-{model.until}"
    path = reports_dir / f"drift-{name}.html"
    if not path.exists():
        window = model.windows(rules.window_days, 1)[0]
        kinds: dict[str, ColumnKind] = {**model.input_kinds, **model.prediction_kinds}
        snapshot = snapshot_of(model.predicted(window), model.reference, kinds)
        keep_snapshot(snapshot, workspace, model.champion.manifest.pipeline, name, rules.reports_kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, snapshot.get_html_str(as_iframe=False).encode())
    prune_reports(reports_dir, rules.reports_kept, timedelta(days=rules.reports_days), path)
    return path


def snapshot_of(current: "pd.DataFrame", reference: "pd.DataFrame", kinds: Mapping[str, ColumnKind]) -> "Snapshot":
    """Evidently's distances and distributions of all rows of both samples. Importing Evidently takes 9 s.

    Columns without any value in one sample are left out, because Evidently refuses them; the verdicts name them.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    samples = [columns_of(sample, kinds) for sample in (current, reference)]
    shown = [name for name in kinds if all(each[name].known for each in samples)]
    definition = DataDefinition(
        numerical_columns=[column for column in shown if kinds[column] == "numeric"],
        categorical_columns=[column for column in shown if kinds[column] == "category"],
    )
    report = Report([ValueDrift(column=c, method=_METHODS[kinds[c]]) for c in shown], include_tests=False)
    return report.run(
        Dataset.from_pandas(current[shown], data_definition=definition),
        Dataset.from_pandas(reference[shown], data_definition=definition),
    )


def keep_snapshot(snapshot: "Snapshot", workspace: Path, pipeline: str, name: str, kept: int) -> None:
    """Add the snapshot to the pipeline's project in an Evidently workspace, and delete all but the last `kept`."""
    from evidently.ui.workspace import ProjectModel, Workspace

    workspace.mkdir(parents=True, exist_ok=True)
    opened, project = Workspace(str(workspace)), uuid.uuid5(_PROJECTS, pipeline)
    if opened.get_project(project) is None:
        opened.add_project(ProjectModel(id=project, name=pipeline))
    opened.add_run(project, snapshot, name=name)
    for outdated in sorted(opened.list_runs(project))[:-kept]:  # their ids are ordered by time (UUID 7)
        opened.delete_run(project, outdated)


def prune_reports(directory: Path, kept: int, age_max: timedelta, newest: Path) -> int:
    """Delete all but the last `kept` reports, and reports older than `age_max`, but never `newest`.

    Returns how many were deleted.
    """
    found = sorted(directory.glob(_REPORTS), key=lambda path: path.stat().st_mtime, reverse=True)
    oldest = time.time() - age_max.total_seconds()
    outdated = [path for place, path in enumerate(found) if place >= kept or path.stat().st_mtime < oldest]
    deleted = [path for path in outdated if path != newest]
    for path in deleted:
        path.unlink(missing_ok=True)
    if deleted:
        log.info("reports_deleted", directory=str(directory), reports=len(deleted))
    return len(deleted)
