"""A catalogue entry as a Chaos Toolkit experiment."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from chaos.compose.drill import CatalogueDrill, FaultEntry, FlowEntry
from chaos.spec import EXTENSION, Indicator

__all__ = ["experiment_of", "to_yaml"]

Document = dict[str, Any]
HEADING = "# Rendered from chaos/catalogue/{name}.yaml by `python -m chaos.compose`. Change that file.\n"
LAST_LOOK_SECONDS = 2.0  # at what was given up
_ENTRY_KINDS = {  # of the ledger's journal, by `when`
    "attempt_started": "attempt.started",
    "batch_recorded": "batch.recorded",
    "ingest_started": "ingest.started",
}
INGEST_SECONDS_MAX = 240.0  # of one day, in a run of Prefect
LATE_FACTOR = 3.0  # a load may take so much longer than its rate says


def experiment_of(drill: CatalogueDrill) -> Document:
    """The experiment; its extension `autopilot` is the drill's promise."""
    return {
        "version": "1.0.0",
        "title": drill.title,
        "description": drill.description,
        "tags": list(drill.tags),
        "extensions": [{"name": EXTENSION, "drill": _promise(drill)}],
        "configuration": {
            "home": {"type": "env", "key": "AUTOPILOT_HOME", "default": "./var"},
            "pipeline": {"type": "env", "key": "AUTOPILOT_PIPELINE", "default": "flights"},
            "drill_dir": "",
            **_variables(drill),
        },
        "controls": [{"name": "timings", "provider": {"type": "python", "module": "chaos.controls.timings"}}],
        "runtime": {"rollbacks": {"strategy": "always"}},
        "steady-state-hypothesis": _hypothesis(drill),
        "method": _method(drill),
        "rollbacks": [_action("undo_faults")],
    }


def to_yaml(drill: CatalogueDrill) -> str:
    """The experiment's file."""
    body: str = yaml.safe_dump(experiment_of(drill), sort_keys=False, width=120, allow_unicode=True)
    return HEADING.format(name=drill.name) + body


def _variables(drill: CatalogueDrill) -> Document:
    """Durations and rates that a run may change with `--var NAME:float=VALUE`."""
    variables: Document = {}
    if drill.faults:
        variables |= {
            "fault_seconds_max": drill.fault_seconds_max,
            "restored_seconds_max": drill.restored_seconds_max,
        }
    if drill.load is not None:
        variables["rate_per_second"] = drill.load.rate_per_second
    return variables


def _promise(drill: CatalogueDrill) -> Document:
    return {
        "name": drill.name,
        "tier": drill.tier.value,
        "indicator": drill.indicator.value,
        "fault": bool(drill.faults),
        **({"proven_in_turn": True} if drill.proven_in_turn else {}),
        "deadline_seconds": drill.deadline_seconds,
        "causes": list(drill.causes),
        **({"further_causes": list(drill.further_causes)} if drill.further_causes else {}),
        "remedies": list(drill.remedies),
        **({"forbidden_remedies": list(drill.forbidden_remedies)} if drill.forbidden_remedies else {}),
        **({"quiet": True} if drill.quiet else {}),
        **({"unhealable": True} if drill.unhealable else {}),
        "reflex": drill.reflex,
        "unaffected": drill.unaffected,
        "needs": list(drill.needs),
        "ablations": list(drill.ablations),
        **({"substitutes": list(drill.substitutes)} if drill.substitutes else {}),
        "limits": drill.limits.model_dump(exclude_defaults=True),
    }


def _hypothesis(drill: CatalogueDrill) -> Document:
    if drill.indicator is Indicator.BATCH:
        of_files = _has_own_data(drill)
        title = "The sources can be read, and no incident is open"
        names = ["source_files_are_readable" if of_files else "sources_answer", "no_incident_is_open"]
    else:
        title = "The champion answers predictions, and no incident is open"
        names = ["release_is_settled", "champion_answers", "no_incident_is_open"]
    probes = [_probe(name) for name in names]
    if drill.warm_fallbacks:
        probes.append(_probe("fallbacks_are_warm", fallbacks=drill.warm_fallbacks))
    return {"title": title, "probes": probes}


def _has_own_data(drill: CatalogueDrill) -> bool:
    """Whether the source is a file or a database with many days, and not the bundled feed with a clock."""
    return bool({"files", "database"} & set(drill.needs))


def _method(drill: CatalogueDrill) -> list[Document]:
    match drill.indicator:
        case Indicator.BATCH:
            return _batch_method(drill)
        case Indicator.FLOW:
            return _flow_method(drill)
        case Indicator.REQUESTS:
            return _requests_method(drill)


def _requests_method(drill: CatalogueDrill) -> list[Document]:
    assert drill.load is not None
    load = {**drill.load.model_dump(), "rate_per_second": "${rate_per_second}"}
    if not drill.faults:
        return [_action("collect_reference_answers"), _action("send_load", **load)]
    return [
        _action("collect_reference_answers"),
        {**_action("send_load", **load), "background": True},
        _probe(
            "load_is_answered",
            requests=drill.requests_before,
            deadline_seconds=max(20, LATE_FACTOR * drill.requests_before / drill.load.rate_per_second),
        ),
        *_faults(drill),
        *_while_it_lasts(drill),
        _probe(
            "service_is_restored",
            hold_seconds=drill.restored_hold_seconds,
            deadline_seconds="${restored_seconds_max}",
            **({"after_incident": True} if drill.remedies else {}),
        ),
        _action("stop_load"),
        *([_probe("answers_are_logged")] if drill.logged else []),
    ]


def _while_it_lasts(drill: CatalogueDrill) -> list[Document]:
    """For faults that the drill itself ends: requests while they are active, and their end."""
    if not drill.requests_during_fault:
        return []
    assert drill.load is not None
    requests = drill.requests_during_fault
    seconds = LATE_FACTOR * drill.requests_during_fault / drill.load.rate_per_second
    proof = _probe("faults_are_active", deadline_seconds=drill.proof_seconds_max)
    return [
        {
            **_probe("load_is_answered", requests=requests, deadline_seconds=seconds, further=True),
            "name": "load-goes-on",
        },
        *([] if drill.proven_in_turn else [{**proof, "name": "faults-are-still-active"}]),
        {**_action("undo_faults", keep_load=True), "name": "end-the-faults"},
    ]


def _flow_method(drill: CatalogueDrill) -> list[Document]:
    """A retrain or release under load, its faults, and the end of its work."""
    assert drill.flow is not None
    end = {**_action("undo_faults", keep_load=True), "name": "end-the-faults"}
    until = drill.flow.faults_until
    ends = _probe("attempt_has_started", kind=until, deadline_seconds="${restored_seconds_max}")
    running = _running_flow(drill, drill.flow)
    faults = _faults(drill)
    begin = [*running, *faults] if drill.flow.reached else [*running[:-1], *faults, running[-1]]
    return [
        *begin,
        *([] if until is None else [{**ends, "name": "flow-has-ended"}, end]),
        _flow_is_done(drill, drill.flow),
        _action("stop_load"),
    ]


def _running_flow(drill: CatalogueDrill, flow: FlowEntry) -> list[Document]:
    """The load, and the flow that has reached its step."""
    assert drill.load is not None
    load = {**drill.load.model_dump(), "rate_per_second": "${rate_per_second}"}
    reached = _probe("attempt_has_started", kind=flow.reached, deadline_seconds=drill.restored_seconds_max / 2)
    given = {"parameters": dict(flow.parameters)} if flow.parameters else {}
    return [
        *([_action("ingest_next_day", deadline_seconds=INGEST_SECONDS_MAX)] if flow.name == "retrain" else []),
        _action("collect_reference_answers"),
        {**_action("send_load", **load), "background": True},
        _action("request_flow", flow=flow.name, **given, **({"candidate": flow.candidate} if flow.candidate else {})),
        *([] if flow.reached is None else [{**reached, "name": "flow-has-reached-its-step"}]),
    ]


def _flow_is_done(drill: CatalogueDrill, flow: FlowEntry) -> Document:
    hold = {"hold_seconds": drill.restored_hold_seconds, "deadline_seconds": "${restored_seconds_max}"}
    beside = {"beside_batch": True} if drill.indicator is Indicator.BATCH else {}
    return _probe("flow_is_done", ends=flow.ends.value, **hold, **beside)


def _batch_method(drill: CatalogueDrill) -> list[Document]:
    due = [_action("expect_next_day" if _has_own_data(drill) else "advance_clock")]
    due += [_action("ingest_undisturbed")] if drill.undisturbed else []
    during = [each for each in drill.faults if each.when is not None]
    faults = _faults(drill.model_copy(update={"faults": tuple(each for each in drill.faults if each not in during)}))
    by_any_run = drill.faults_last_seconds is not None or bool(during)
    last = drill.faults_last_seconds
    keep = {} if drill.flow is None else {"keep_load": True}
    end = {**_action("undo_faults", **keep), "name": "end-the-faults"}
    return [
        *([] if drill.flow is None else _running_flow(drill, drill.flow)),
        *(due + faults if drill.due_day == "before the faults" else faults + due),
        _action("request_ingest", deployment="ingest/ingest"),
        *_faults_of_the_run(drill, during),
        *([] if last is None else [*_until_noticed(drill), {**end, "pauses": {"before": last}}]),
        *([_probe("incident_is_escalated", deadline_seconds="${restored_seconds_max}")] if drill.unhealable else []),
        _probe(
            "due_batch_is_in",
            deadline_seconds=LAST_LOOK_SECONDS if drill.unhealable else "${restored_seconds_max}",
            **({"by_any_run": True} if by_any_run else {}),
            **({"partly": True} if drill.partly else {}),
        ),
        *([end] if last is None else []),
        *([] if drill.flow is None else [_flow_is_done(drill, drill.flow), _action("stop_load")]),
    ]


def _until_noticed(drill: CatalogueDrill) -> list[Document]:
    """The wait for a first remedy where the drill expects one: an ingest run may take longer to start than a fault."""
    return [_probe("attempt_has_started", deadline_seconds="${restored_seconds_max}")] if drill.remedies else []


def _faults(drill: CatalogueDrill) -> list[Document]:
    """Faults and the proof that they are active; a fault with `when` after a wait, and with a proof of its own."""
    if drill.proven_in_turn:
        return _faults_in_turn(drill)
    if not drill.faults:
        return []
    steps: list[Document] = []
    proof = _probe("faults_are_active", deadline_seconds=drill.proof_seconds_max)
    for number, each in enumerate(drill.faults, start=1):
        if each.when is not None:
            proofs = "faults-are-active" in {step["name"] for step in steps}
            steps += [] if proofs else [proof]
            steps.append(_probe("attempt_has_started", deadline_seconds=drill.restored_seconds_max / 2))
        steps.append(_inject(number, each))
    later = any(each.when is not None for each in drill.faults)
    return [*steps, {**proof, "name": "later-faults-are-active"} if later else proof]


def _faults_of_the_run(drill: CatalogueDrill, faults: Sequence[FaultEntry]) -> list[Document]:
    """The faults that wait for a step of the ingest run, each after that step, and the proof that they are active."""
    if not faults:
        return []
    steps: list[Document] = []
    for number, each in enumerate(faults, start=1 + len(drill.faults) - len(faults)):
        reached = {"deadline_seconds": drill.restored_seconds_max / 2, "kind": _ENTRY_KINDS[str(each.when)]}
        steps += [_probe("attempt_has_started", **reached), _inject(number, each)]
    proof = _probe("faults_are_active", deadline_seconds=drill.proof_seconds_max)
    return [*steps, {**proof, "name": "faults-of-the-run-are-active"}]


def _faults_in_turn(drill: CatalogueDrill) -> list[Document]:
    """Each fault, and the proof that it is active, before the next one."""
    proof = _probe("faults_are_active", deadline_seconds=drill.proof_seconds_max, latest=True)
    steps: list[Document] = []
    for number, each in enumerate(drill.faults, start=1):
        steps += [_inject(number, each), {**proof, "name": f"fault-{number}-is-active"}]
    return steps


def _inject(number: int, fault: FaultEntry) -> Document:
    """The action; a fault that waits for a remedy is a later part of what the system recovers from."""
    inject = _action(
        "inject_fault",
        kind=fault.kind,
        arguments=dict(fault.arguments),
        ttl_seconds="${fault_seconds_max}",
        **({"later": True} if fault.when == "attempt_started" else {}),
    )
    return {**inject, "name": f"inject-fault-{number}"}


def _action(function: str, **arguments: Any) -> Document:
    return {
        "name": function.replace("_", "-"),
        "type": "action",
        "provider": _provider("actions", function, arguments),
    }


def _probe(function: str, **arguments: Any) -> Document:
    return {
        "name": function.replace("_", "-"),
        "type": "probe",
        "tolerance": True,
        "provider": _provider("probes", function, arguments),
    }


def _provider(area: str, function: str, arguments: Mapping[str, Any]) -> Document:
    provider = {"type": "python", "module": f"chaos.{area}.{function}", "func": function}
    return {**provider, "arguments": dict(arguments)} if arguments else provider
