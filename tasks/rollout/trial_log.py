"""The logged requests of a trial, read from the lake: which arm was asked, whether it failed, its time and answer."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from healing.release import Mode
from healing.replay import LoggedRequest
from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable
from tasks.serving.gateway_client import PROBE_PREFIX
from tasks.serving.prediction_log import predictions_table, shadow_table

if TYPE_CHECKING:
    import pandas as pd

SLOW_SECONDS_MIN = 0.01  # the gateway's default: an answer within it is never slow, however quick the champion is
_BEFORE = timedelta(hours=1)  # the champion's answers in this time before the trial define what is slow
_ANSWERS_MIN = 100  # answers of the champion that a p99 needs
_TIMED_APART = timedelta(milliseconds=50)  # requests of one batch share its time and count once

_ANSWER_COLUMNS = ["at", "request_id", "generation", "digest", "rung", "prediction", "failed", "latency_ms"]
_SCORE_COLUMNS = ["at", "request_id", "digest", "generation", "prediction", "error", "incomplete"]

# The gateway's log messages for copies when a worker fails: a whole batch, which counts once, or before it was asked.
_BATCH_FAILED = r"version \S+ (was silent|died on)"
_NOT_ASKED = r"version \S+ is "


class TrialLog:
    """The requests of one trial, by the generation of the release that answered them.

    Only the first row of each request counts. The log has no route keys, so every request of a client counts. Probes
    are left out.
    """

    def __init__(self, lake_root: LakeRoot, began: datetime, ended: datetime, challenger: str) -> None:
        self._challenger = challenger
        self._answers = _first_rows(predictions_table(lake_root), began - _BEFORE, ended, _ANSWER_COLUMNS)
        self._scores = _first_rows(shadow_table(lake_root), began, ended, _SCORE_COLUMNS)
        self._slow_seconds: float | None = None

    def fix_slow(self, until: datetime, champion: str, factor: float) -> None:
        """Set the slow limit to `factor` times the champion's p99 before `until`; with few answers, keep the last."""
        before = self._answers[(self._answers["at"] < until) & (self._answers["digest"] == champion)]
        seconds = before["latency_ms"].dropna() / 1000
        if len(seconds) >= _ANSWERS_MIN:
            self._slow_seconds = max(factor * float(seconds.quantile(0.99)), SLOW_SECONDS_MIN)

    def requests(
        self, generation: int, mode: Mode
    ) -> tuple[tuple[LoggedRequest, ...], tuple[str, ...], tuple[str, ...]]:
        """The requests of a stage, what is missing to judge the stage at all, and what only some checks miss."""
        answers = self._answers[self._answers["generation"] == generation]
        if answers.empty:
            return (), (f"the lake has no answers of generation {generation}",), ()
        if mode is Mode.SHADOW:
            return self._copies(generation, answers)
        old = int(answers["failed"].isna().sum())
        missing = (
            (f"{old} of {len(answers)} rows do not say which arm failed: an older gateway logged them",) if old else ()
        )
        notes = (
            ()
            if self._slow_seconds is not None
            else ("too few answers of the champion before the trial to define what is slow",)
        )
        return tuple(self._asked(answers[answers["failed"].notna()])), missing, notes

    def _asked(self, answers: "pd.DataFrame") -> Iterator[LoggedRequest]:
        """Randomised requests, each with its arm: the version that failed first, else the one that answered."""
        timed: dict[bool, datetime] = {}
        columns = ("at", "failed", "rung", "digest", "latency_ms", "prediction")
        for stamp, failed, rung, digest, latency_ms, answer in _rows(answers, columns):
            if not failed and rung not in ("champion", "challenger"):
                continue  # no version failed, and neither arm answered
            at, challenger = stamp.to_pydatetime(), (failed or digest) == self._challenger
            if failed:
                yield LoggedRequest(at, challenger, failed=True, slow=None, answer=None)
            else:
                slow = self._slow(challenger, at, latency_ms, timed)
                yield LoggedRequest(at, challenger, failed=False, slow=slow, answer=answer)

    def _slow(self, challenger: bool, at: datetime, latency_ms: float, timed: dict[bool, datetime]) -> bool | None:
        if self._slow_seconds is None or latency_ms != latency_ms:  # noqa: PLR0124 - NaN where it is not logged
            return None
        if challenger in timed and at - timed[challenger] < _TIMED_APART:
            return None
        timed[challenger] = at
        return latency_ms / 1000 > self._slow_seconds

    def _copies(
        self, generation: int, answers: "pd.DataFrame"
    ) -> tuple[tuple[LoggedRequest, ...], tuple[str, ...], tuple[str, ...]]:
        scores = self._scores[(self._scores["generation"] == generation) & (self._scores["digest"] == self._challenger)]
        if scores.empty:
            return (), (f"the lake has no shadow scores of generation {generation}",), ()
        answered = answers.drop_duplicates("request_id").set_index("request_id")
        seen = scores.assign(
            given=scores["request_id"].map(answered["prediction"]),
            rung=scores["request_id"].map(answered["rung"]),
            together=scores["error"].str.match(_BATCH_FAILED) & scores["at"].duplicated(),
        )
        not_asked = scores["error"].str.match(_NOT_ASKED)
        seen = seen[(seen["rung"] == "champion") & ~seen["together"] & ~not_asked]  # in other rows no model failed
        copies = tuple(
            LoggedRequest(at.to_pydatetime(), True, failed, None, None if failed else answer, given)
            for at, failed, answer, given in _rows(seen, ("at", "incomplete", "prediction", "given"))
        )
        return copies, (), ("the log has no times of shadow scores: latency is not judged",)


def _rows(frame: "pd.DataFrame", columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(frame[column].tolist() for column in columns), strict=True)


def _first_rows(table: LakeTable, since: datetime, until: datetime, columns: list[str]) -> "pd.DataFrame":
    """The first row of each request, in the order of the answers; columns that an older table lacks are empty.

    `incomplete`: at least one row of the request has no number.
    """
    import pandas as pd

    if table.version() is None:
        return pd.DataFrame({"at": pd.Series(dtype="datetime64[us, UTC]")}).reindex(columns=columns)
    rows = table.read(since=since, until=until, day_column="at")
    rows = rows.assign(incomplete=rows["prediction"].isna().groupby(rows["request_id"]).transform("any"))
    first = rows[(rows["row"] == 0) & ~rows["request_id"].str.startswith(PROBE_PREFIX)]
    return first.sort_values(["at", "seq"], ignore_index=True).reindex(columns=columns)
