"""The `policy` section of pipeline.yaml: remedies by cause, checked against what each remedy can treat."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator

from healing.incident import Cause, Remedy
from healing.policy import remedies_for


def _check(found: Any) -> Any:
    """ValueError for a cause or remedy that does not exist, and for a remedy that cannot treat its cause."""
    if not isinstance(found, dict):
        return found  # pydantic refuses it
    for cause, remedies in found.items():
        if cause not in set(Cause):
            raise ValueError(f"expected a cause, one of {_listed(Cause)}, found {str(cause)!r}")
        for remedy in remedies if isinstance(remedies, list | tuple) else ():
            _check_remedy(Cause(cause), remedy)
    return found


def _check_remedy(cause: Cause, remedy: object) -> None:
    allowed = remedies_for(cause)
    if remedy in allowed:
        return
    problem = "which cannot treat it" if remedy in set(Remedy) else "which does not exist"
    raise ValueError(f"expected remedies that can treat {cause} ({_listed(allowed)}), found {str(remedy)!r}, {problem}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


RemedyOrder = Annotated[dict[Cause, tuple[Remedy, ...]], BeforeValidator(_check)]
