"""What is to be predicted: a class that a yes-or-no model can tell, or a quantity."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from healing.errors import UsageError
from tasks.config.pipeline import ColumnType, Output

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["classification", "regression"]
Positive = str | bool | int | float

# What people call the class that they look for.
_POSITIVE_WORDS = frozenset({"yes", "y", "true", "t", "positive", "pos", "churned", "fraud", "late", "failed"})
_VALUES_MIN_OF_A_QUANTITY = 20  # fewer different numbers are rather grades or codes


@dataclass(frozen=True, slots=True)
class LabelGuess:
    """The label's column, what is predicted of it, and why. `positive` is None where the column is 0 and 1 itself."""

    source_name: str
    name: str
    type: ColumnType
    output: Output
    why: str
    positive: Positive | None = None
    values: tuple[str, ...] | None = None  # texts that the contract takes, where there are two


def guess_label(
    source_name: str, name: str, text: "pd.Series[str]", task: Task | None, positive: str | None
) -> LabelGuess:
    """The label as a class or a quantity. UsageError with one line when neither can be learned from it."""
    import pandas as pd

    known = text.dropna()
    classes = list(known.value_counts().index)
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "no value"
        raise UsageError(
            f"label {source_name!r}: expected at least two different values, found {found}; nothing to learn"
        )
    numbers = pd.to_numeric(known, errors="coerce")
    numeric = bool(numbers.notna().all())
    if task == "regression" or (task is None and numeric and positive is None and _is_quantity(numbers)):
        return _quantity(source_name, name, numbers, numeric)
    if positive is not None:
        return _one_against_the_rest(source_name, name, known, numeric, positive)
    if len(classes) > 2:
        shown = ", ".join(map(repr, classes[:5])) + (", …" if len(classes) > 5 else "")
        also = " or --task regression to predict the number" if numeric else ""
        raise UsageError(
            f"label {source_name!r}: expected two classes, found {len(classes)} ({shown}); name with --positive the "
            f"one to tell from the rest{also}"
        )
    return _two_classes(source_name, name, known, numeric)


def _is_quantity(numbers: "pd.Series[float]") -> bool:
    fractions = bool((numbers != numbers.round()).any())
    return numbers.nunique() > (2 if fractions else _VALUES_MIN_OF_A_QUANTITY)


def _quantity(source_name: str, name: str, numbers: "pd.Series[float]", numeric: bool) -> LabelGuess:
    if not numeric:
        raise UsageError(f"label {source_name!r}: expected numbers for --task regression, found texts as well")
    why = f"a quantity from {numbers.min():g} to {numbers.max():g}, mean {numbers.mean():g}"
    return LabelGuess(source_name, name, "double", "value", why)


def _two_classes(source_name: str, name: str, known: "pd.Series[str]", numeric: bool) -> LabelGuess:
    shares = known.value_counts(normalize=True)
    if set(shares.index) <= {"0", "1", "0.0", "1.0"}:
        ones = sum(float(share) for value, share in shares.items() if float(str(value)) == 1)
        return LabelGuess(source_name, name, "long", "probability", f"1 in {ones:.1%}")
    lowered = {str(value).lower(): str(value) for value in shares.index}
    if set(lowered) == {"true", "false"}:
        return LabelGuess(source_name, name, "boolean", "probability", f"true in {shares[lowered['true']]:.1%}")
    words = [value for low, value in lowered.items() if low in _POSITIVE_WORDS]
    chosen = words[0] if len(words) == 1 else str(shares.index[-1])
    reason = "by its name" if len(words) == 1 else "the rarer"
    return _one_against_the_rest(source_name, name, known, numeric, chosen, reason)


def _one_against_the_rest(
    source_name: str, name: str, known: "pd.Series[str]", numeric: bool, positive: str, reason: str = "as told"
) -> LabelGuess:
    classes = sorted(map(str, known.unique()))
    of_class = [value for value in classes if value == positive or (numeric and _same_number(value, positive))]
    if not of_class:
        raise UsageError(
            f"label {source_name!r}: --positive {positive!r} occurs nowhere; found {', '.join(classes[:8])}"
        )
    share = float(known.isin(of_class).mean())
    rest = ", ".join(value for value in classes if value not in of_class)
    why = f"{positive!r} ({reason}, {share:.1%}) against {rest[:60]}"
    if {value.lower() for value in classes} <= {"true", "false"}:
        return LabelGuess(source_name, name, "boolean", "probability", why, positive.lower() == "true")
    if numeric:
        return LabelGuess(source_name, name, "double", "probability", why, float(positive))
    values = tuple(classes) if len(classes) == 2 else None
    return LabelGuess(source_name, name, "string", "probability", why, positive, values)


def _same_number(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False
