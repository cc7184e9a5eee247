"""The metrics that a PromQL query names."""

import re

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTORS = re.compile(r"\{[^}]*\}")
_RANGES = re.compile(r"\[[^\]]*\]")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_WORDS = re.compile(r"(?<![\w.$])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_KEYWORDS = frozenset(
    {"and", "or", "unless", "bool", "offset", "sum", "max", "min", "avg", "count", "by", "inf", "nan"}
)


def metrics_of(query: str) -> set[str]:
    """The names of metrics and recorded series in a query."""
    for pattern in (_STRINGS, _LABELS, _SELECTORS, _RANGES):
        query = pattern.sub(" ", query)
    return {word for word in _WORDS.findall(query) if word not in _KEYWORDS}
