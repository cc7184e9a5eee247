"""Rows of the lake's features, in the form of a client's request."""

import json
from dataclasses import dataclass
from datetime import date

from healing.errors import UsageError
from releases.log import ReleaseLog
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.lake.columns import BATCH_DAY, FEATURES
from tasks.lake.lake_table import LakeTable


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """JSON values by row. The first column is the key of the row, the others are the model's inputs."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def body(self, rows: tuple[tuple[object, ...], ...]) -> dict[str, object]:
        """Request body for `rows`, in MLflow's `dataframe_split` form."""
        return {"dataframe_split": {"columns": list(self.columns), "data": [list(row) for row in rows]}}


def read_feature_rows(
    settings: Settings, pipeline: Pipeline, since: date | None = None, until: date | None = None
) -> FeatureRows:
    """Features of the days from `since` to `until`, in the order of the lake.

    UsageError if no model was released yet, because its manifest lists the input columns.
    """
    release = ReleaseLog(settings.release_root(pipeline.name)).current()
    if release is None:
        raise UsageError(
            f"expected a released model of {pipeline.name!r}, found none; "
            f"run `autopilot bootstrap {pipeline.name} --until DAY`"
        )
    manifest = ModelStore(settings.release_root(pipeline.name)).manifest(release.champion.digest)
    columns = (pipeline.key, *manifest.input_schema.names)
    table = LakeTable(settings.lake_root(pipeline.name), FEATURES, [pipeline.key])
    frame = table.read(since=since, until=until, day_column=BATCH_DAY, columns=columns)[list(columns)]
    split = json.loads(frame.to_json(orient="split", index=False, double_precision=15))
    return FeatureRows(columns, tuple(tuple(row) for row in split["data"]))
