"""Patterns of file names with a day: `{day}` and `{day:%Y/%m/%d}` as a glob, and the day read back from a name."""

import re
from datetime import date
from string import Formatter

_ISO = "%Y-%m-%d"
_PARTS = {"%Y": r"(\d{4})", "%m": r"(\d{2})", "%d": r"(\d{2})"}
_DIRECTIVE = re.compile("%[a-zA-Z]")


def any_day(pattern: str) -> str:
    """The pattern as a glob, with a star in place of the day. Adjacent stars become one."""
    starred = "".join(text + _DIRECTIVE.sub("*", _format(field, spec)) for text, field, spec, _ in _pieces(pattern))
    return "/".join(part if part == "**" else re.sub(r"\*+", "*", part) for part in starred.split("/"))


def day_in(path: str, pattern: str) -> date | None:
    """The day in `path`, if it fits the pattern and contains a complete date."""
    expression, parts = "", []
    for text, field, spec, _ in _pieces(pattern.lstrip("/")):
        expression += _glob_expression(text)
        written = _format(field, spec)
        parts += _DIRECTIVE.findall(written)
        expression += _DIRECTIVE.sub(lambda found: _PARTS.get(found[0], ".*"), re.sub(r"([.+()])", r"\\\1", written))
    found = re.fullmatch(expression, path.lstrip("/"))
    known = [part for part in parts if part in _PARTS]
    if found is None or set(known) != set(_PARTS):
        return None
    return _day_of(list(zip(known, found.groups(), strict=True)))


def _day_of(parts: list[tuple[str, str]]) -> date | None:
    """The date of year, month and day; None where a part has two values, or there is no such date."""
    values: dict[str, str] = {}
    for part, value in parts:
        if values.setdefault(part, value) != value:
            return None
    try:
        return date(int(values["%Y"]), int(values["%m"]), int(values["%d"]))
    except ValueError:
        return None


def _pieces(pattern: str) -> list[tuple[str, str | None, str | None, str | None]]:
    return list(Formatter().parse(pattern))


def _format(field: str | None, spec: str | None) -> str:
    if field is None:
        return ""
    return (spec or _ISO) if field == "day" else "*"


def _glob_expression(text: str) -> str:
    return re.escape(text).replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
