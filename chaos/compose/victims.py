"""What a fault takes hold of: two faults with a common victim can hide each other, so no sampled drill has both."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chaos.compose.drill import CatalogueDrill, FaultEntry

__all__ = ["are_disjoint", "in_order_of_proof", "victims"]

RELEASE_ROOT = "release root"
CHAMPION = "champion"
Arguments = Mapping[str, Any]


def _of_file(arguments: Arguments) -> set[str]:
    role = str(arguments["file"]).partition("_")[0]
    return {role} if role == "source" else {role, RELEASE_ROOT}


def _of_process(arguments: Arguments) -> set[str]:
    name = str(arguments["process"])
    return {"healer" if name == "leader" else name.removesuffix("_worker")}


def _of_resource(arguments: Arguments) -> set[str]:
    return _of_process(arguments) if arguments["resource"] == "disk" else {f"machine {arguments['resource']}"}


def _of_candidate(arguments: Arguments) -> set[str]:
    return {str(arguments.get("role", "challenger")), RELEASE_ROOT}


# The order is that of the injections. A candidate has to be loaded by healthy processes, a file is changed before its
# worker is killed, and whoever has no ledger or no release root cannot find the victim of a further fault.
_VICTIMS: Mapping[str, Callable[[Arguments], set[str]]] = {
    "candidate": _of_candidate,
    "absent_batch": lambda arguments: {f"source {arguments['table']}"},
    "feed": lambda arguments: {f"source {arguments.get('table', '')}"},
    "labels": lambda arguments: {f"source {arguments.get('table', 'outcomes')}"},
    "file": _of_file,
    "every_model": lambda _: {CHAMPION, "fallback", RELEASE_ROOT},
    "signal": _of_process,
    "crash_loop": lambda arguments: {str(arguments.get("role", CHAMPION))},
    "prediction_log": lambda _: {"prediction log"},
    "clock": lambda _: {"clock"},
    "crowd": lambda _: {"load"},
    "resource": _of_resource,
    "prefect": lambda _: {"prefect"},
    "toxic": lambda arguments: {f"link {arguments['link']}"},
    "error_answers": lambda arguments: {f"link {arguments['link']}"},
    "alert": lambda _: {"link alert"},
    "locked_database": lambda arguments: {str(arguments.get("database", "ledger"))},
    "hanging_release": lambda _: {RELEASE_ROOT},
    "directory": lambda arguments: {str(arguments.get("directory", "release_root")).replace("_", " ")},
}


def victims(fault: FaultEntry) -> frozenset[str]:
    """What the fault changes or takes away: a process, a file, a link, the release root."""
    return frozenset(_VICTIMS[fault.kind](fault.arguments))


def are_disjoint(one: CatalogueDrill, other: CatalogueDrill) -> bool:
    """Whether no fault of one drill has a victim that a fault of the other has as well."""
    return not _victims_of(one) & _victims_of(other)


def in_order_of_proof(faults: Iterable[FaultEntry]) -> list[FaultEntry]:
    """The faults in an order in which each can still be injected and proven beside those before it."""
    order = list(_VICTIMS)
    return sorted(faults, key=lambda fault: order.index(fault.kind))


def _victims_of(drill: CatalogueDrill) -> frozenset[str]:
    return frozenset().union(*(victims(fault) for fault in drill.faults))
