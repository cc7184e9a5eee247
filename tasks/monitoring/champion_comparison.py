"""Paired quality: does a challenger lose more than the champion on the same live rows, overall or in a segment?"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from healing.paired import EVERYTHING, PairedBlock, PairedRule, judge_pairs
from healing.trial_rules import Check, CheckState, TrialRules, share_of_alpha
from healing.verdict import Outcome
from releases.loader import LoadedModel
from releases.manifest import Manifest
from tasks.config.pipeline import Pipeline
from tasks.lake.columns import LABEL
from tasks.monitoring.pair_loss import PairLoss, pair_loss_of
from tasks.monitoring.pairs import AT, CHALLENGER, CHAMPION, Model, Pair, pair_rows, with_columns, with_labels

if TYPE_CHECKING:
    import pandas as pd

_OTHERS = "another value"  # of a segment's column, that the model has not learned from


def paired_quality(
    pipeline: Pipeline,
    lake_root: Path,
    champion: Model,
    challenger: Model,
    since: datetime,
    rules: TrialRules,
    until: datetime | None = None,
) -> tuple[CheckState, ...]:
    """Evidence that the challenger loses more than the champion on rows asked in [since, until] (by now when None).

    One state over all rows, then one for each value of the pipeline's segments that was asked for, as far as the
    challenger is given loaded: its manifest says which values there are. The block that `until` is in counts when it is
    over. Drain the gateway's log first: what is not in the lake is not seen.
    """
    until = until or datetime.now(UTC)
    over = datetime.fromtimestamp(until.timestamp() // rules.quality_block_seconds * rules.quality_block_seconds, UTC)
    rows = with_labels(pair_rows(lake_root, Pair(champion, challenger), since, over), pipeline, lake_root, until)
    manifest = challenger.manifest if isinstance(challenger, LoadedModel) else None
    rows = with_columns(rows, pipeline.segments)
    return judge_rows(rows, pipeline.segments, manifest, rules, rules.alpha * share_of_alpha(Check.QUALITY, rules))


def judge_rows(
    rows: "pd.DataFrame", segments: Sequence[str], manifest: Manifest | None, rules: TrialRules, alpha: float
) -> tuple[CheckState, ...]:
    """The states of rows with both answers, label, time of asking and the columns that `segments` names.

    `manifest` is the challenger's: it says what a loss is, and which segments there are before the first label.
    """
    categories = {} if manifest is None else manifest.reference.categorical
    known = {column: frozenset(categories.get(column, ())) for column in segments}
    known = {column: values for column, values in known.items() if values}
    rule = PairedRule(
        alpha=alpha,
        tolerated=rules.quality_increase_tolerated,
        segments_known=sum(len(values) + 1 for values in known.values()),
        votes=Check.QUALITY in rules.votes,
    )
    loss = pair_loss_of(manifest)
    chosen = {EVERYTHING: rows, **dict(_segments(rows, known))}
    return judge_pairs(
        {name: blocks_of(part, loss, rules.quality_block_seconds) for name, part in chosen.items()}, rule
    )


def blocks_of(rows: "pd.DataFrame", loss: PairLoss, seconds: float) -> tuple[PairedBlock, ...]:
    """The rows' blocks in the order of asking; the labels that are not there stand with the least they can cost."""
    import numpy as np
    import pandas as pd

    answers = rows[CHALLENGER].to_numpy(dtype="float64"), rows[CHAMPION].to_numpy(dtype="float64")
    increase, least = loss.increase(*answers, rows[LABEL].to_numpy(dtype="float64")), loss.least(*answers)
    known = np.isfinite(increase)
    block = [at.timestamp() // seconds for at in rows[AT]]
    parts = {"rows": 1, "labelled": known, "increase": np.where(known, increase, least), "least": least}
    sums = pd.DataFrame(parts, index=rows.index).groupby(block, sort=True).sum()
    columns = (sums[name].tolist() for name in ("rows", "labelled", "increase", "least"))
    return tuple(PairedBlock(*values) for values in zip(*columns, strict=True))


def _segments(rows: "pd.DataFrame", known: Mapping[str, frozenset[str]]) -> "Iterator[tuple[str, pd.DataFrame]]":
    for column, values in known.items():
        names = [value if value in values else _OTHERS for value in rows[column].astype(str)]
        for name, part in rows.groupby(names, sort=True):
            yield f"{column}={name}", part


def first_condemned(
    measure: Callable[[datetime], Sequence[CheckState]], began: datetime, ended: datetime, seconds: float
) -> tuple[CheckState, datetime] | None:
    """The state that condemned with a vote, and the end of the block at which it first did; None when none did.

    Evidence that has condemned does so at every later look, hence the search by halves.
    """

    def condemning(moment: datetime) -> CheckState | None:
        return next((s for s in measure(moment) if s.votes and s.outcome is Outcome.FAIL), None)

    last = condemning(ended)
    if last is None:
        return None
    blocks = int((ended - began).total_seconds() // seconds)
    moments = [began + timedelta(seconds=seconds * (place + 1)) for place in range(blocks)]
    place = bisect_left(moments, True, key=lambda moment: condemning(moment) is not None)
    return (condemning(moments[place]) or last, moments[place]) if place < blocks else (last, ended)
