"""HTML reports of distributions, made by Evidently: a few are kept, each has about 4 MB."""

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.monitoring.distances import ColumnKind, columns_of
from tasks.monitoring.monitored_model import MonitoredModel

if TYPE_CHECKING:
    import pandas as pd

log = structlog.get_logger(__name__)

REPORT_ROWS = 2_000  # of each sample: the plots show no more, and the file stays at about 4 MB
_REPORTS = "drift-*.html"
_SEED = 20130101
_METHODS: Mapping[ColumnKind, str] = {"numeric": "wasserstein", "category": "jensenshannon"}


@task(cache_policy=NO_CACHE, persist_result=False)
def write_distribution_report(model: MonitoredModel, reports_dir: Path) -> Path:
    """Write the report of the newest window unless it exists, and delete reports that are too old or too many."""
    rules = model.rules
    path = reports_dir / f"drift-{model.champion.manifest.version}-{model.until}.html"
    if not path.exists():
        window = model.windows(rules.window_days, 1)[0]
        kinds: dict[str, ColumnKind] = {**model.input_kinds, **model.prediction_kinds}
        write_report(model.predicted(window), model.reference, kinds, path)
    prune_reports(reports_dir, rules.reports_kept, timedelta(days=rules.reports_days), path)
    return path


def write_report(
    current: "pd.DataFrame", reference: "pd.DataFrame", kinds: Mapping[str, ColumnKind], path: Path
) -> Path:
    """Evidently's HTML with the distances and distributions of both samples. Importing Evidently takes 9 s.

    Columns without any value in one sample are left out, because Evidently refuses them; the verdicts name them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = _sample(current, REPORT_ROWS), _sample(reference, REPORT_ROWS)
    columns = [columns_of(sample, kinds) for sample in samples]
    shown = {name: kind for name, kind in kinds.items() if all(each[name].known for each in columns)}
    _snapshot(*samples, shown).save_html(str(path))
    return path


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


def _snapshot(current: "pd.DataFrame", reference: "pd.DataFrame", kinds: Mapping[str, ColumnKind]) -> Any:
    """One Evidently report, with its plots."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(
        numerical_columns=[column for column, kind in kinds.items() if kind == "numeric"],
        categorical_columns=[column for column, kind in kinds.items() if kind == "category"],
    )
    columns = list(kinds)
    report = Report([ValueDrift(column=c, method=_METHODS[kinds[c]]) for c in columns], include_tests=False)
    return report.run(
        Dataset.from_pandas(current[columns], data_definition=definition),
        Dataset.from_pandas(reference[columns], data_definition=definition),
    )


def _sample(rows: "pd.DataFrame", count: int) -> "pd.DataFrame":
    return rows if len(rows) <= count else rows.sample(count, random_state=_SEED)
