"""How a command prints its result: one JSON document for programs, tables for people."""

import json
from typing import Any

from pydantic import TypeAdapter


def as_document(result: object) -> Any:
    """`result` (a dataclass, a pydantic model, or a container of them) as plain JSON values."""
    return TypeAdapter(type(result)).dump_python(result, mode="json")


def print_result(result: object, *, as_json: bool) -> None:
    """Print `result` for a program, or for a person with the renderer for results without one of their own."""
    document = as_document(result)
    if as_json:
        print(json.dumps(document, indent=2))
        return
    from cli.render.console import print_parts
    from cli.render.document import document_parts

    print_parts(document_parts(document))
