"""Clients of an A/B test in the lake: the settled ones with their outcomes, and how much of them is missing.

A client is settled a fixed time after its first request. From then on its outcome never changes: later requests, labels
and values do not count. So the order and the values of settled clients are the same at every look, which the interval
of `healing.ab_effect` needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from healing.ab_effect import Client
from healing.ab_rules import LOSS, ABRules
from healing.assignment import is_assigned
from healing.release import Release
from releases.manifest import Manifest
from tasks.config.pipeline import Pipeline
from tasks.evaluation.paired_loss import paired_loss_of
from tasks.evaluation.predictions import classes_of, in_order
from tasks.lake.columns import LABEL
from tasks.lake.lake_root import LakeRoot
from tasks.monitoring.paired_rows import AT, with_labels
from tasks.serving.gateway_client import PROBE_PREFIX
from tasks.serving.prediction_log import logged_outputs, outcomes_table, predictions_table, read_log

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_ROW = ["request_id", "row"]
_CLOCKS = timedelta(hours=1)  # by which the clocks of the gateway and of the release log may differ


@dataclass(frozen=True, slots=True)
class ABClients:
    """Settled clients in the order of their first requests, `waiting` ones, and shares of their rows by arm."""

    settled: tuple[Client, ...] = ()
    waiting: int = 0
    missing_challenger: float = 0.0
    missing_champion: float = 0.0
    clipped_rows: int = 0


def ab_clients(
    pipeline: Pipeline, lake_root: LakeRoot, champion: Manifest, began: Release, as_of: datetime
) -> ABClients:
    """The clients of the A/B test that `began` started, as the lake knows them at `as_of`. Drain the log first.

    The arm is the one that a client is assigned to, also where another version answered for it.
    """
    trial = began.challenger
    assert trial is not None
    assert trial.ab is not None
    rows = _requested(lake_root, began, as_of)
    if rows.empty:
        return ABClients()
    rules = trial.ab
    first = rows.groupby("client")[AT].transform("min")
    counted = rows[rows[AT] <= first + timedelta(seconds=rules.client_seconds)]
    settles = first[counted.index] + timedelta(seconds=rules.settle_seconds)
    settled = counted[settles <= as_of].reset_index(drop=True)
    until = settles[settles <= as_of].reset_index(drop=True)
    waiting = rows["client"].nunique() - settled["client"].nunique()
    if settled.empty:
        return ABClients(waiting=waiting)
    values = _values(pipeline, lake_root, champion, rules, settled, until, as_of)
    return _by_client(settled, values, rules, trial.weight, waiting)


def _by_client(
    rows: "pd.DataFrame", values: "NDArray[np.float64]", rules: ABRules, weight: float, waiting: int
) -> ABClients:
    import numpy as np
    import pandas as pd

    known = np.isfinite(values)
    clipped = np.clip(values, rules.low, rules.high)
    arm = np.array([is_assigned(client, weight) for client in rows["client"]], dtype=bool)
    frame = pd.DataFrame(
        {
            "client": rows["client"],
            AT: rows[AT],
            "challenger": arm,
            "low": np.where(known, clipped, rules.low),
            "high": np.where(known, clipped, rules.high),
        }
    )
    parts = {"at": (AT, "min"), "challenger": ("challenger", "first"), "low": ("low", "mean"), "high": ("high", "mean")}
    means = frame.groupby("client").agg(**parts).reset_index().sort_values(["at", "client"])
    columns = (means[name].tolist() for name in ("challenger", "low", "high"))
    return ABClients(
        settled=tuple(Client(*each) for each in zip(*columns, strict=True)),
        waiting=waiting,
        missing_challenger=_share(~known[arm]),
        missing_champion=_share(~known[~arm]),
        clipped_rows=int((known & (clipped != values)).sum()),
    )


def _share(flags: "NDArray[np.bool_]") -> float:
    return float(flags.mean()) if flags.size else 0.0


def _requested(lake_root: LakeRoot, began: Release, as_of: datetime) -> "pd.DataFrame":
    """The rows that clients of the test requested, each once; a repeated request counts as its last answer."""
    import pandas as pd

    columns = [*_ROW, AT, "seq", "generation", "client", "key", "prediction", "outputs"]
    table = predictions_table(lake_root)
    if table.version() is None:
        return pd.DataFrame({column: pd.Series(dtype="object") for column in columns})
    rows = read_log(table, columns, since=began.created_at - _CLOCKS, until=as_of, day_column=AT)
    ours = rows["client"].notna() & (rows["generation"] >= began.generation)
    probes = rows["request_id"].str.startswith(PROBE_PREFIX)
    return rows[ours & ~probes].sort_values([AT, "seq"]).drop_duplicates(_ROW, keep="last").reset_index(drop=True)


def _values(
    pipeline: Pipeline,
    lake_root: LakeRoot,
    champion: Manifest,
    rules: ABRules,
    rows: "pd.DataFrame",
    until: "pd.Series[pd.Timestamp]",
    as_of: datetime,
) -> "NDArray[np.float64]":
    """The outcome of each row by the time `until`; NaN where it is missing."""
    import numpy as np

    if rules.outcome == LOSS:
        return _losses(pipeline, lake_root, champion, rows, until, as_of)
    values = _reported(lake_root, rules.outcome, rows, until)
    return values if rules.absent is None else np.where(np.isfinite(values), values, rules.absent)


def _reported(
    lake_root: LakeRoot, name: str, rows: "pd.DataFrame", until: "pd.Series[pd.Timestamp]"
) -> "NDArray[np.float64]":
    """The last value of the outcome that arrived for each row by `until`."""
    import numpy as np

    table = outcomes_table(lake_root)
    if table.version() is None:
        return np.full(len(rows), np.nan)
    found = table.read(since=rows[AT].min(), day_column=AT, columns=[*_ROW, "name", "value", "seq", AT])
    found = found[found["name"] == name].rename(columns={AT: "reported"})
    each = rows[_ROW].assign(until=until, place=range(len(rows))).merge(found, how="inner", on=_ROW)
    due = each[each["reported"] <= each["until"]].sort_values(["reported", "seq"], kind="stable")
    last = due.drop_duplicates("place", keep="last")
    values = np.full(len(rows), np.nan)
    values[last["place"].to_numpy(dtype=int)] = last["value"].to_numpy(dtype=float)
    return values


def _losses(
    pipeline: Pipeline,
    lake_root: LakeRoot,
    champion: Manifest,
    rows: "pd.DataFrame",
    until: "pd.Series[pd.Timestamp]",
    as_of: datetime,
) -> "NDArray[np.float64]":
    """The loss of each served prediction on the label that was known by `until`."""
    import numpy as np

    known = classes_of(champion)
    labels = with_labels(rows, pipeline, lake_root, as_of, known, until)[LABEL].to_numpy(dtype=float)
    return np.asarray(
        paired_loss_of(champion).loss(_predictions(rows, known, pipeline.label.classes), labels), dtype=float
    )


def _predictions(rows: "pd.DataFrame", known: Sequence[object], classes: Sequence[object]) -> "NDArray[np.float64]":
    if not classes:
        return rows["prediction"].to_numpy(dtype="float64")
    return in_order(logged_outputs(rows["outputs"], len(known)), tuple(known), tuple(classes))
