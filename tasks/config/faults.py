"""Faults of a configuration file: all of them, each with its key, what was expected, what was found and what to do."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]
SectionType = TypeVar("SectionType", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one key. `hint` says what to do."""

    path: Path
    expected: str
    found: str
    hint: str

    def __str__(self) -> str:
        return f"{written(self.path)}: expected {self.expected}, found {self.found}; {self.hint}"


def written(path: Path) -> str:
    """The path as people write it: `maintenance[0].start`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "top level"


def listed(names: Iterable[str]) -> str:
    return ", ".join(map(str, names))


def suggestion(found: object, known: Iterable[str]) -> str:
    """What to write instead of an unknown name."""
    near = difflib.get_close_matches(str(found), [str(name) for name in known], n=1)
    return f"did you mean {near[0]!r}?" if near else "remove it or correct the name"


def shape_faults(
    model: type[SectionType], raw: Mapping[str, Any], prefix: Path = ()
) -> tuple[list[Fault], SectionType | None]:
    """The faults of `raw` that `model` finds, and `raw` without the faulty keys as a model.

    So that what does not fit together is found, too, where single values are wrong. None if nothing useful is left.
    """
    faults: dict[str, Fault] = {}
    left: Any = raw
    for _ in range(3):  # what is left may have a new fault
        try:
            return list(faults.values()), model.model_validate(left)
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
        for error in errors:
            path = _path(error, raw)
            fault = Fault((*prefix, *path), *_texts(model, error, path))
            faults.setdefault(written(fault.path), fault)
        left = _without(left, [_faulty(error, raw) for error in errors])
    return list(faults.values()), None


def _faulty(error: Mapping[str, Any], raw: Any) -> Path:
    """The path of what is left out: the value, or the section that lacks a key."""
    path = _path(error, raw)
    return path[:-1] if error["type"] == "missing" else path


def _path(error: Mapping[str, Any], raw: Any) -> Path:
    """The part of an error's location that exists in the file, and the key that is missing there.

    Pydantic adds names of types, and those of keys for which the file has a short form.
    """
    loc: Path = error["loc"]
    path: list[str | int] = []
    place = raw
    for part in loc:
        if (isinstance(place, Mapping) and part in place) or (isinstance(place, list) and part in range(len(place))):
            place = place[part]  # type: ignore[index] # an index, as it is in the range
        elif error["type"] != "missing" or part != loc[-1]:
            continue
        path.append(part)
    return tuple(path)


def _texts(model: type[BaseModel], error: Mapping[str, Any], path: Path) -> tuple[str, str, str]:
    """What was expected, what was found, and what to do."""
    kind, found = error["type"], _shown(error["input"], path)
    if kind == "extra_forbidden":
        known = _known_keys(model, path[:-1])
        return f"one of the keys {listed(known)}", f"{path[-1]!r}", suggestion(path[-1], known)
    if kind == "missing":
        return "this key", "nothing", "add it"
    if kind == "enum":
        noun = "a cause" if error["loc"][-1] == "[key]" or "causes" in path[-2:] else "a remedy"
        names = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return f"{noun}, one of {listed(names)}", found, suggestion(error["input"], names)
    expected = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return expected, found, "change the value, or remove the key to get its default"


def _shown(found: object, path: Path) -> str:
    """The value as the file has it; only its type where it may be a secret."""
    if "routes" in path:
        return f"a {type(found).__name__} that is not shown, because it may contain a secret"
    text = repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _known_keys(model: type[BaseModel], path: Path) -> Sequence[str]:
    """The keys that the section at `path` may have; none if the models have no section there."""
    place: Any = model
    for part in path:
        place = _below(place, part)
    section = _section_in(place)
    return [] if section is None else list(_fields(section))


def _below(annotation: Any, part: str | int) -> Any:
    """The type of the value at `part` in a value of this type: in a section, the values of a map, or a list."""
    section = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    if section is not None:
        return _fields(section).get(str(part))
    arguments = get_args(annotation)
    if get_origin(annotation) in (dict, tuple, list):
        return arguments[1] if get_origin(annotation) is dict else arguments[0]
    return next((found for each in arguments if (found := _below(each, part)) is not None), None)


def _fields(section: type[BaseModel]) -> Mapping[str, Any]:
    """The types of a section's keys."""
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}


def _section_in(annotation: Any) -> Any:
    """The section that a field's type contains, such as the values of a dictionary or the members of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _section_in(each)) is not None), None)


def _without(raw: Any, paths: Iterable[Path]) -> Any:
    """A copy of `raw` without the values at these paths."""
    drop = {path for path in paths if path}

    def copied(place: Any, at: Path) -> Any:
        if isinstance(place, Mapping):
            return {key: copied(value, (*at, key)) for key, value in place.items() if (*at, key) not in drop}
        if isinstance(place, list):
            kept = [(index, value) for index, value in enumerate(place) if (*at, index) not in drop]
            return [copied(value, (*at, index)) for index, value in kept]
        return place

    return copied(raw, ())
