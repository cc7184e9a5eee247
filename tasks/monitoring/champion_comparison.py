"""Champion comparison: whether a challenger loses more than the champion on the same rows, overall or in a segment."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from healing.paired import EVERYTHING, PairedBlock, PairedRule, judge_pairs
from healing.trial_rules import CheckState, TrialCheck, TrialRules, share_of_alpha
from healing.verdict import Outcome
from releases.loader import LoadedModel
from releases.manifest import Manifest
from tasks.config.pipeline import ClassNames, Pipeline
from tasks.evaluation.paired_loss import PairedLoss, paired_loss_of
from tasks.evaluation.predictions import classes_of, predictions_in
from tasks.lake.columns import LABEL
from tasks.lake.lake_root import LakeRoot
from tasks.monitoring.paired_rows import AT, CHALLENGER, CHAMPION, ModelOrDigest, paired_rows, with_columns, with_labels
from tasks.serving.logged_features import HashedValue, NotLogged

if TYPE_CHECKING:
    import pandas as pd

_OTHERS = "another value"  # of a segment's column, one that the training data do not contain


def paired_quality(
    pipeline: Pipeline,
    lake_root: LakeRoot,
    champion: ModelOrDigest,
    challenger: ModelOrDigest,
    since: datetime,
    rules: TrialRules,
    until: datetime | None = None,
) -> tuple[CheckState, ...]:
    """Evidence that the challenger loses more than the champion on rows requested in [since, until] (now if None).

    Returns one state for all rows, then one per value of the pipeline's segments that was requested. Segments need the
    challenger as a loaded model: its manifest lists the possible values. The block that contains `until` counts once it
    is complete. Drain the gateway's log first: only rows in the lake are read.
    """
    until = until or datetime.now(UTC)
    seconds = rules.quality_block_seconds
    complete = datetime.fromtimestamp(until.timestamp() // seconds * seconds, UTC)
    classes = pipeline.label.classes
    rows, unobserved = paired_rows(lake_root, champion, challenger, since, complete, classes)
    answering = classes_of(champion.manifest) if isinstance(champion, LoadedModel) else classes
    rows = with_columns(with_labels(rows, pipeline, lake_root, until, answering), pipeline.segments)
    manifest = challenger.manifest if isinstance(challenger, LoadedModel) else None
    alpha = rules.alpha * share_of_alpha(TrialCheck.QUALITY, rules)
    overall, *segments = judge_rows(rows, pipeline.segments, manifest, rules, alpha, classes)
    gaps = _gaps(rows, pipeline.segments, unobserved)
    return (replace(overall, reason=f"{overall.reason}{gaps}"), *segments)


def _gaps(rows: "pd.DataFrame", segments: Sequence[str], unobserved: Mapping[str, int]) -> str:
    """What the comparison does not cover because the gateway did not log it, as the end of a reason."""
    missing = {column: sum(value is NotLogged.VALUE for value in rows[column]) for column in segments}
    parts = [
        f"{count} more rows are not compared: the log does not have {column!r}"
        for column, count in sorted(unobserved.items())
    ]
    parts += [
        f"{column!r} is not logged in {count} rows, which are in no segment"
        for column, count in missing.items()
        if count
    ]
    return "".join(f"; not observed: {part}" for part in parts)


def judge_rows(
    rows: "pd.DataFrame",
    segments: Sequence[str],
    manifest: Manifest | None,
    rules: TrialRules,
    alpha: float,
    classes: ClassNames = (),
) -> tuple[CheckState, ...]:
    """The states for rows with both predictions, label, time of the request, and the columns named by `segments`.

    `manifest` is the challenger's. It defines the loss, and the segments before the first label arrives.
    """
    categories = {} if manifest is None else manifest.reference.categorical
    known = {column: frozenset(categories.get(column, ())) for column in segments}
    known = {column: values for column, values in known.items() if values}
    rule = PairedRule(
        alpha=alpha,
        tolerated=rules.quality_increase_tolerated,
        segments_known=sum(len(values) + 1 for values in known.values()),
        votes=TrialCheck.QUALITY in rules.votes,
    )
    loss = paired_loss_of(manifest)
    chosen = {EVERYTHING: rows, **dict(_segments(rows, known))}
    return judge_pairs(
        {name: blocks_of(part, loss, rules.quality_block_seconds, classes) for name, part in chosen.items()}, rule
    )


def blocks_of(
    rows: "pd.DataFrame", loss: PairedLoss, seconds: float, classes: ClassNames = ()
) -> tuple[PairedBlock, ...]:
    """The rows' blocks in the order of requests. Rows without a label count with the least possible increase."""
    import numpy as np
    import pandas as pd

    predictions = predictions_in(rows, classes, CHALLENGER), predictions_in(rows, classes, CHAMPION)
    increase, least = loss.increase(*predictions, rows[LABEL].to_numpy(dtype="float64")), loss.least(*predictions)
    known = np.isfinite(increase)
    block = [at.timestamp() // seconds for at in rows[AT]]
    parts = {"rows": 1, "labelled": known, "increase": np.where(known, increase, least), "least": least}
    sums = pd.DataFrame(parts, index=rows.index).groupby(block, sort=True).sum()
    columns = (sums[name].tolist() for name in ("rows", "labelled", "increase", "least"))
    return tuple(PairedBlock(*values) for values in zip(*columns, strict=True))


def first_failed(
    measure: Callable[[datetime], Sequence[CheckState]], began: datetime, ended: datetime, seconds: float
) -> tuple[CheckState, datetime] | None:
    """The first state with a vote that FAILs, and the end of the block at which it first fails; None when none does.

    Evidence that once failed stays failed at later times, so a binary search over blocks finds the first one.
    """

    def failed_at(moment: datetime) -> CheckState | None:
        return next((s for s in measure(moment) if s.votes and s.outcome is Outcome.FAIL), None)

    last = failed_at(ended)
    if last is None:
        return None
    blocks = int((ended - began).total_seconds() // seconds)
    moments = [began + timedelta(seconds=seconds * (place + 1)) for place in range(blocks)]
    place = bisect_left(moments, True, key=lambda moment: failed_at(moment) is not None)
    return (failed_at(moments[place]) or last, moments[place]) if place < blocks else (last, ended)


def _segments(rows: "pd.DataFrame", known: Mapping[str, frozenset[str]]) -> "Iterator[tuple[str, pd.DataFrame]]":
    for column, values in known.items():
        logged = rows[[value is not NotLogged.VALUE for value in rows[column]]]
        named = _first_codes(logged, column, len(values)) or values
        names = [value if value in named else _OTHERS for value in logged[column].astype(str)]
        for name, part in logged.groupby(names, sort=True):
            yield f"{column}={name}", part


def _first_codes(rows: "pd.DataFrame", column: str, count: int) -> frozenset[str]:
    """The `count` hashed values that were requested first: as many segments as the column has known values.

    A code does not say which value it stands for. The order of requests does not depend on labels, so the number of
    segments and their parts of the evidence are fixed before the first label. Empty where no value is hashed.
    """
    codes = [str(value) for value in rows.sort_values(AT, kind="stable")[column] if isinstance(value, HashedValue)]
    return frozenset(list(dict.fromkeys(codes))[:count])
