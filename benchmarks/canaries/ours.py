"""The gateway's trial guard, with the default rules, on a simulated canary."""

import numpy as np

from benchmarks.canaries.stream import Stage, Stream
from healing.release import Mode
from healing.trial_evidence import Expected
from healing.trial_guard import TrialGuard
from healing.trial_rules import DEFAULT_RULES, TrialRules


def aborted_at(stream: Stream, rules: TrialRules = DEFAULT_RULES, *, by_client: bool = True) -> int | None:
    """Requests until the guard aborts the challenger; None when it never does, 0 when it aborts in shadow.

    Only failures are passed one by one; the requests between them are passed in bulk, with the same result
    (`tests/benchmarks/test_canaries.py`). Without `by_client` every failure is evidence, not only a client's first one.
    """
    first = stream.stages[0]
    guard = TrialGuard(rules, Mode.CANARY, first.share, Expected())
    if stream.copies_failed.size:
        guard = TrialGuard(rules, Mode.SHADOW, 1.0, Expected())
        for failed in stream.copies_failed:
            guard.observe_pair(failed=bool(failed), slow=False, answer=None, given=0.0)
        guard.next_stage(Mode.CANARY, first.share)
    if guard.aborted_by is not None:
        return 0
    begin = 0
    for stage in stream.stages:
        if begin:
            guard.next_stage(Mode.CANARY, stage.share)
        found = _watch(guard, stream, begin, stage, by_client=by_client)
        if found is not None:
            return found
        begin += stage.requests
    return None


def _watch(guard: TrialGuard, stream: Stream, begin: int, stage: Stage, *, by_client: bool) -> int | None:
    stretch = slice(begin, begin + stage.requests)
    arms, failures = stream.challenger[stretch], np.flatnonzero(stream.failed[stretch])
    challengers = np.concatenate([[0], np.cumsum(arms)])  # among the first n
    done = 0
    for at in failures:
        quiet = int(challengers[at] - challengers[done])
        guard.observe_quiet(quiet, int(at) - done - quiet)
        news = bool(stream.first[begin + at]) or not by_client
        guard.observe(bool(arms[at]), failed=True, slow=False, answer=None, route_key_is_new=news)
        done = int(at) + 1
        if guard.aborted_by is not None:
            return begin + done
    quiet = int(challengers[-1] - challengers[done])
    guard.observe_quiet(quiet, stage.requests - done - quiet)
    return None
