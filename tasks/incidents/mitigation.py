"""Notices that clients are answered while a problem is still there, from what the gateway has counted meanwhile."""

from dataclasses import dataclass, field

from healing.slo import MITIGATED, AnswerCounts, judge_served
from healing.verdict import Verdict

REQUESTS_MIN = 10  # enough to notice an outage, which fails all of them; not enough to measure a rate


@dataclass(slots=True)
class MitigationWatch:
    """The counts of the gateway when each incident was confirmed, or since its last stretch without service.

    It compares readings that are made anyway and never waits for requests, so it delays no remedy.
    """

    _before: dict[str, AnswerCounts] = field(default_factory=dict)

    def begin(self, incident_id: str, served: AnswerCounts | None) -> None:
        """Count from here on. Without a reading of the gateway, nothing is watched."""
        if served is not None:
            self._before[incident_id] = served

    def judge(self, incident_id: str, served: AnswerCounts | None) -> Verdict | None:
        """Whether the requests since then were answered; None while there are too few, or nothing is watched."""
        before = self._before.get(incident_id)
        if before is None or served is None:
            return None
        since = served.since(before)
        if since.total < REQUESTS_MIN:
            return None
        self._before[incident_id] = served
        return judge_served(since, MITIGATED)

    def end(self, incident_id: str) -> None:
        """Watch this incident no longer."""
        self._before.pop(incident_id, None)
