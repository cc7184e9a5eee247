"""Any result as fields and tables, for reports without a renderer of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from cli.render.parts import fields, has_tone, number, section, table, word

_DIGEST_CHARACTERS = 64


def document_parts(document: Any) -> list[RenderableType]:
    """The values of a JSON document under readable names: scalars first, then each nested part in a section."""
    if isinstance(document, Mapping):
        return _mapping_parts(document)
    if isinstance(document, Sequence) and not isinstance(document, str):
        return [_rows(document)] if document else []
    return [_value(document)]


def _mapping_parts(document: Mapping[str, Any]) -> list[RenderableType]:
    scalars = [(_words(name), _value(value)) for name, value in document.items() if _is_scalar(value)]
    parts: list[RenderableType] = [fields(scalars)] if scalars else []
    for name, value in document.items():
        if not _is_scalar(value) and value:
            parts += section(_words(name), *document_parts(value))
    return parts


def _rows(items: Sequence[Any]) -> RenderableType:
    """A list of documents as a table with one column per scalar, anything else as one value per line."""
    if not all(isinstance(item, Mapping) for item in items):
        return table(("",), ([_value(item)] for item in items))
    names = list(dict.fromkeys(name for item in items for name, value in item.items() if not _is_empty(value)))
    names.sort(
        key=lambda name: max(len(str(item.get(name, ""))) for item in items) > _DIGEST_CHARACTERS
    )  # long ones last
    cells = ([_value(item.get(name)) or "" for name in names] for item in items)
    return table([_words(name) for name in names], cells)


def _is_scalar(value: object) -> bool:
    return not isinstance(value, (Mapping, list, tuple)) or _is_flat(value)


def _is_flat(value: object) -> bool:
    """Whether a list is short enough to be read as one value."""
    return isinstance(value, (list, tuple)) and not any(isinstance(each, (Mapping, list)) for each in value)


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {}, ())


def _value(value: object) -> RenderableType:
    """The value as a cell; empty for None, an empty text and an empty list."""
    if _is_empty(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(str(name))} {_plain(each)}" for name, each in value.items() if not _is_empty(each))
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(each) for each in value)
    return word(value) if isinstance(value, str) and has_tone(value) else str(value)


def _plain(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
