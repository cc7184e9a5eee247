"""How a command prints its result: one JSON document, or one line per value."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter


def as_document(result: object) -> Any:
    """`result` (a dataclass, a pydantic model, or a container of them) as plain JSON values."""
    return TypeAdapter(type(result)).dump_python(result, mode="json")


def print_result(result: object, *, as_json: bool) -> None:
    """Print `result` for a program or for a person."""
    document = as_document(result)
    if as_json:
        print(json.dumps(document, indent=2))
        return
    for name, value in leaves(document):
        print(f"{name:<28} {value}")


def leaves(document: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The values of a JSON document with their dotted paths, without empty ones."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from leaves(value, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(document, list):
        for position, value in enumerate(document):
            yield from leaves(value, f"{prefix}[{position}]")
    elif document is not None and document != "":
        yield prefix, str(document)
