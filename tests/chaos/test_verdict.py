import pytest

from chaos.verdict import Exit, judge

SPEC = {
    "name": "model-corruption",
    "indicator": "requests",
    "deadline_seconds": 60,
    "limits": {"recovery_seconds": 30, "requests_min": 100},
}
TIMES = {f"t{i}": [float(i), i + 0.5] for i in range(6)}
FINDINGS = {
    "spec": SPEC,
    "timings": TIMES,
    "durations": {"detect": [1, 2], "act": [0, 1], "mitigate": [0, 1], "recover": [4.5, 5.5]},
    "requests": {"total": 500, "good": 400, "degraded": 100},
    "latency_seconds": {"p50": 0.01},
    "incidents": [{"cause": "model_corrupt", "subject": "x"}],
    "unproven": [],
    "outstanding_leases": 0,
}
STEADY = {"steady_state_met": True, "probes": []}
NOT_STEADY = {
    "steady_state_met": False,
    "probes": [{"activity": {"name": "champion-answers"}, "status": "succeeded", "output": False}],
}
JOURNAL = {
    "status": "completed",
    "deviated": False,
    "steady_states": {"before": STEADY, "after": STEADY, "during": []},
    "run": [{"activity": {"name": "send-load"}, "status": "succeeded"}],
    "rollbacks": [],
    "autopilot": FINDINGS,
}
RAISED = {"activity": {"name": "corrupt-champion"}, "status": "failed", "exception": ["LookupError: none\n"]}


def journal(**changes):
    return {**JOURNAL, **changes}


def findings(**changes):
    return journal(autopilot={**FINDINGS, **changes})


def quiet(**changes):
    """A drill that breaks nothing."""
    nothing = {
        "timings": dict.fromkeys(TIMES),
        "durations": {},
        "incidents": [],
        "requests": {"total": 500, "good": 500},
    }
    return findings(spec={**SPEC, "name": "noop", "fault": False}, **{**nothing, **changes})


def promising(used=(), missing=(), good=400, **promise):
    """A drill with more in its promise; `used` are the remedies that were started."""
    requests = {"total": 500, "good": good, "degraded": 500 - good}
    timings = {**TIMES, **dict.fromkeys(missing)}
    return findings(spec={**SPEC, **promise}, remedies=list(used), timings=timings, requests=requests)


def unhealable(**changes):
    """A drill that nothing heals, with remedies that were tried and an escalation."""
    tried = {"remedies": ["retry", "switch_source", "retry"], "escalations": 1, "durations": {}}
    return findings(**{"spec": {**SPEC, "unhealable": True}, **tried, **changes})


def harmless_batch(**changes):
    """A drill of a batch that is odd and right: it comes in, and nothing is reported."""
    spec = {**SPEC, "indicator": "batch", "quiet": True}
    timings = {**TIMES, "t2": None, "t3": None}
    return findings(**{"spec": spec, "incidents": [], "timings": timings, "requests": {"total": 500}, **changes})


def flow(missing_work=(), good=500, **changes):
    """A drill of a retrain that no client notices."""
    spec = {**SPEC, "indicator": "flow", "reflex": True, "unaffected": True}
    requests = {"total": 500, "good": good, "degraded": 500 - good}
    timings = {**TIMES, "t2": None, "t3": None}
    promise = {"spec": spec, "requests": requests, "timings": timings, "missing_work": list(missing_work)}
    return findings(**{**promise, **changes})


def limited(**limits):
    """A drill with further limits."""
    return findings(spec={**SPEC, "limits": {**SPEC["limits"], **limits}})


@pytest.mark.parametrize(
    ("recorded", "code", "why"),
    [
        (journal(), Exit.RECOVERED, "recovered in 5.5 s"),
        (quiet(), Exit.RECOVERED, "nothing was reported"),
        # did not recover, or lost or corrupted something
        (findings(durations={}), Exit.NOT_RECOVERED, "not restored"),
        (findings(durations={"recover": [29, 31]}), Exit.NOT_RECOVERED, "31.0 s"),
        (findings(requests={"total": 500, "failed": 1}), Exit.NOT_RECOVERED, "1 requests failed"),
        (findings(requests={"total": 500, "wrong": 1}), Exit.NOT_RECOVERED, "1 answers were wrong"),
        (journal(steady_states={"before": STEADY, "after": NOT_STEADY}), Exit.NOT_RECOVERED, "champion-answers"),
        (quiet(incidents=FINDINGS["incidents"]), Exit.NOT_RECOVERED, "incidents were reported: model_corrupt"),
        (quiet(requests={"total": 500, "degraded": 2}), Exit.NOT_RECOVERED, "2 answers were degraded"),
        # the work of a retrain or release
        (flow(), Exit.RECOVERED, "no client noticed"),
        (flow(["a trial is not over"]), Exit.NOT_RECOVERED, "not done exactly once: a trial is not over"),
        (flow(good=499), Exit.NOT_RECOVERED, "1 answers were degraded"),
        (flow(durations={"recover": [29, 31]}), Exit.NOT_RECOVERED, "31.0 s"),
        (flow(durations={}), Exit.NOT_RECOVERED, "not restored"),
        # what the drill promises about remedies and clients
        (promising(remedies=["rollback"]), Exit.NOT_RECOVERED, "without one of its remedies rollback; used: none"),
        (promising(["wait"], remedies=["rollback"]), Exit.NOT_RECOVERED, "used: wait"),
        (promising(["wait", "rollback"], remedies=["rollback"]), Exit.RECOVERED, "recovered in 5.5 s"),
        (promising(reflex=True, missing=["t2", "t3"]), Exit.RECOVERED, "recovered in 5.5 s"),
        (promising(missing=["t2", "t3"]), Exit.HARNESS_FAILED, "no t2, t3"),
        (promising(unaffected=True), Exit.NOT_RECOVERED, "clients noticed the fault: 100 answers were degraded"),
        (promising(unaffected=True, good=500, missing=["t1", "t4", "t5"]), Exit.RECOVERED, "no client noticed"),
        (promising(unaffected=True, good=500, missing=["t0"]), Exit.FAULT_NOT_PROVEN, "no proof"),
        (
            promising(unaffected=True, good=500, causes=["x"], missing=["t2"]),
            Exit.NOT_RECOVERED,
            "expected an incident",
        ),
        (promising(unaffected=True, good=500, causes=["x"]), Exit.RECOVERED, "no client noticed"),
        (promising(unaffected=True, good=500, remedies=["wait"]), Exit.NOT_RECOVERED, "without one of its remedies"),
        (promising(["rollback"], forbidden_remedies=["rollback"]), Exit.NOT_RECOVERED, "cannot help against"),
        (promising(quiet=True, unaffected=True, good=500), Exit.NOT_RECOVERED, "incidents were reported"),
        (promising(quiet=True, indicator="batch"), Exit.NOT_RECOVERED, "incidents were reported"),
        (harmless_batch(), Exit.RECOVERED, "recovered in 5.5 s"),
        (harmless_batch(durations={}), Exit.NOT_RECOVERED, "not restored"),
        (limited(detection_seconds=1.5), Exit.NOT_RECOVERED, "detected in 2.0 s, at most 1.5 s"),
        (limited(mitigation_seconds=0.5), Exit.NOT_RECOVERED, "mitigated in 1.0 s, at most 0.5 s"),
        (limited(detection_seconds=2, mitigation_seconds=1), Exit.RECOVERED, "recovered in 5.5 s"),
        (findings(unlogged=2), Exit.NOT_RECOVERED, "2 requests were answered and are not in the prediction log"),
        # nothing heals it
        (unhealable(), Exit.NOT_RECOVERED, "retry, switch_source was tried, and people were notified"),
        (unhealable(escalations=0), Exit.HARNESS_FAILED, "expected people to be notified after 3 attempts"),
        (unhealable(remedies=[]), Exit.HARNESS_FAILED, "found no attempt"),
        (unhealable(durations={"recover": [1, 2]}), Exit.HARNESS_FAILED, "found to be restored"),
        (unhealable(unproven=["feed stopped"]), Exit.FAULT_NOT_PROVEN, "feed stopped"),
        # steady state
        (journal(steady_states={"before": NOT_STEADY, "after": None}), Exit.NOT_STEADY, "champion-answers"),
        # a vacuous pass
        (findings(unproven=["worker 7 killed"]), Exit.FAULT_NOT_PROVEN, "worker 7 killed"),
        (findings(timings=dict.fromkeys(TIMES), durations={}), Exit.FAULT_NOT_PROVEN, "no proof"),
        # the harness
        (None, Exit.HARNESS_FAILED, "no journal"),
        ({k: v for k, v in JOURNAL.items() if k != "autopilot"}, Exit.HARNESS_FAILED, "no readable timings"),
        (journal(autopilot={"spec": SPEC}), Exit.HARNESS_FAILED, "no readable timings"),
        (journal(steady_states={"before": None, "after": None}), Exit.HARNESS_FAILED, "no steady state"),
        (journal(run=[RAISED]), Exit.HARNESS_FAILED, "LookupError: none"),
        (journal(rollbacks=[RAISED]), Exit.HARNESS_FAILED, "corrupt-champion"),
        (findings(requests={"total": 99}), Exit.HARNESS_FAILED, "too little load"),
        (findings(requests={"total": 500, "unverified": 1}), Exit.HARNESS_FAILED, "without reference"),
        (findings(outstanding_leases=1), Exit.HARNESS_FAILED, "still active"),
        (findings(timings={**TIMES, "t1": None}), Exit.HARNESS_FAILED, "was not breached"),
        (findings(timings={**TIMES, "t2": None}), Exit.HARNESS_FAILED, "no t2"),
        (journal(steady_states={"before": STEADY, "after": None}), Exit.HARNESS_FAILED, "from after the fault"),
        # aborted
        (journal(status="interrupted"), Exit.ABORTED, "interrupted"),
        (journal(status="aborted"), Exit.ABORTED, "aborted"),
    ],
)
def test_a_journal_has_one_verdict(recorded, code, why):
    judgement = judge(recorded)
    assert judgement.exit is code, judgement.reason
    assert why in judgement.reason


def test_chaos_run_would_have_called_an_unmet_steady_state_completed():
    recorded = journal(status="completed", deviated=False, steady_states={"before": NOT_STEADY, "after": None})
    assert judge(recorded).exit is Exit.NOT_STEADY


def test_losing_requests_is_reported_before_slow_recovery():
    recorded = findings(requests={"total": 500, "wrong": 3}, durations={})
    assert "wrong" in judge(recorded).reason
