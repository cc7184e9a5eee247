"""The label: a class with two values, one value against the rest, one of several classes, or a quantity."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from healing.errors import UsageError
from tasks.config.pipeline import ClassNames, ColumnType, Output
from tasks.config.table import NumberFormat
from tasks.ingestion.sources.number_format import plain_numbers
from tasks.onboarding.columns import Confidence, TextColumn
from tasks.onboarding.distribution import Distribution, numbers_distribution, texts_distribution
from tasks.onboarding.numbers import guess_numbers

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["classification", "regression"]
Positive = str | bool | int | float

# Usual names of the positive class.
_POSITIVE_WORDS = frozenset({"yes", "y", "true", "t", "positive", "pos", "churned", "fraud", "late", "failed"})
_QUANTITY_VALUES_MIN = 20  # fewer different whole numbers are probably grades or codes
_CLASSES_MAX = 20  # with more texts, the column is probably no label; --task classification allows more
_CLASSES_ASKED_MAX = 100
_CLASSES_NAMED_MAX = 5  # classes named in a message


@dataclass(frozen=True, slots=True)
class LabelGuess:
    """The label's column, what is predicted, and why. `positive` is None if the column itself contains 0 and 1.

    `classes` are all values, if one of several classes is predicted. `values` are the texts that the contract accepts,
    if there are two. `missing` and `number_format` say how the source writes it.
    """

    source_name: str
    name: str
    type: ColumnType
    output: Output
    why: str
    positive: Positive | None = None
    values: tuple[str, ...] | None = None
    missing: tuple[str, ...] = ()
    number_format: NumberFormat | None = None
    classes: ClassNames = ()
    confidence: Confidence = "high"

    def distribution(self, text: "pd.Series[str]") -> Distribution | None:
        """The distribution of the label's plain text."""
        numbers = self.numbers(text)
        return texts_distribution(text) if numbers is None else numbers_distribution(numbers)

    def plain(self, text: "pd.Series[str]") -> "pd.Series[str]":
        """The label's texts with plain numbers, None where the label is unknown."""
        known = text.mask(text.isin(self.missing), None)
        return known if self.number_format is None else plain_numbers(known, self.number_format)

    def rarer_share(self, text: "pd.Series[str]") -> float:
        """The share of the rarer of two classes in the label's plain text; one half for any other label."""
        counts = self.class_counts(text).values() if self.output == "probability" else ()
        return min(counts) / sum(counts) if sum(counts) else 0.5

    def numbers(self, text: "pd.Series[str]") -> "pd.Series[float] | None":
        """The quantity in the label's plain text; None for classes."""
        return text.astype("float64") if self.output == "value" else None

    def class_counts(self, text: "pd.Series[str]") -> dict[str, int]:
        """The number of rows of each class, by the label's plain text."""
        if self.classes:
            found = text if self.type == "string" else text.astype("float64")
            counts = found.value_counts().to_dict()
            return {str(name): int(counts.get(name, 0)) for name in self.classes}
        positives = int(self.positive_rows(text).sum())
        return {"positive": positives, "other": len(text) - positives}

    def positive_rows(self, text: "pd.Series[str]") -> "pd.Series[bool]":
        """Where the label's plain text is the positive class."""
        import pandas as pd

        if self.type == "string":
            return text == self.positive
        if self.type == "boolean":
            return text.str.lower() == str(self.positive is None or self.positive).lower()
        wanted = 1.0 if self.positive is None else self.positive
        return pd.to_numeric(text, errors="coerce") == wanted


def guess_label(column: TextColumn, task: Task | None, positive: str | None) -> LabelGuess:
    """The label as a class or a quantity. UsageError if neither can be learned from it."""
    found = None if column.declared == "string" else guess_numbers(column.text, column.decimal)
    if found is None or (found.format is None and not found.missing):
        return _guess_plain(column, task, positive)
    guess = _guess_plain(replace(column, text=found.plain), task, positive)
    missing = [f"{', '.join(map(repr, found.missing))} mean unknown"] if found.missing else []
    why = "; ".join([guess.why, *found.notation, *missing])
    return replace(guess, why=why, missing=found.missing, number_format=found.format)


def _guess_plain(column: TextColumn, task: Task | None, positive: str | None) -> LabelGuess:
    import pandas as pd

    classes = list(column.known.value_counts().index)
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "no value"
        raise UsageError(
            f"label {column.source_name!r}: expected at least two different values to learn from, found {found}; name "
            "another column"
        )
    numbers = pd.to_numeric(column.known, errors="coerce")
    numeric = bool(numbers.notna().all()) and column.declared != "string"
    if task == "regression" or (task is None and numeric and positive is None and _is_quantity(numbers)):
        return _quantity(column, numbers, numeric=numeric)
    if positive is not None:
        return _one_against_the_rest(column, positive, "as set by --positive", numeric=numeric)
    if len(classes) > 2:
        return _several_classes(column, _CLASSES_MAX if task is None else _CLASSES_ASKED_MAX, numeric=numeric)
    return _two_classes(column, numeric=numeric)


def _several_classes(column: TextColumn, classes_max: int, *, numeric: bool) -> LabelGuess:
    """A class per different value. UsageError if there are too many, or if a number is no whole number."""
    shares = column.known.value_counts(normalize=True)
    if numeric:
        numbers = _whole_numbers(column.known)
        if numbers is None:
            example = next(text for text in shares.index if not float(text).is_integer())
            raise UsageError(
                f"label {column.source_name!r}: expected whole numbers as classes, found {example!r}; leave out --task "
                "to predict the number"
            )
        shares = numbers.value_counts(normalize=True)
    classes: ClassNames = tuple(sorted(shares.index.tolist()))
    if len(classes) > classes_max:
        shown = ", ".join(repr(each) for each in shares.index[:_CLASSES_NAMED_MAX])
        raise UsageError(
            f"label {column.source_name!r}: expected at most {classes_max} classes, found {len(classes)} different "
            f"values ({shown}, …); set --positive to the class to predict against the rest, or name another column"
        )
    found = ", ".join(f"{name} {share:.1%}" for name, share in shares.head(_CLASSES_NAMED_MAX).items())
    more = ", …" if len(classes) > _CLASSES_NAMED_MAX else ""
    regression = "; set --task regression to predict the number" if numeric else ""
    why = f"one of {len(classes)} classes: {found}{more}; --positive CLASS predicts one against the rest{regression}"
    type_: ColumnType = "long" if numeric else "string"
    confidence: Confidence = "medium" if numeric else "high"
    return LabelGuess(
        column.source_name, column.name, type_, "probabilities", why, classes=classes, confidence=confidence
    )


def _whole_numbers(text: "pd.Series[str]") -> "pd.Series[Any] | None":
    """The texts as integers, None if one is no whole number."""
    import pandas as pd

    numbers = pd.to_numeric(text)
    return None if (numbers != numbers.round()).any() else numbers.astype("int64")


def _is_quantity(numbers: "pd.Series[float]") -> bool:
    fractions = bool((numbers != numbers.round()).any())
    return numbers.nunique() > (2 if fractions else _QUANTITY_VALUES_MIN)


def _quantity(column: TextColumn, numbers: "pd.Series[float]", *, numeric: bool) -> LabelGuess:
    if not numeric:
        text = column.known[numbers.isna()].iloc[0]
        raise UsageError(
            f"label {column.source_name!r}: expected only numbers for --task regression, found text such as {text!r}; "
            "name another column, or leave out --task"
        )
    why = f"a quantity from {numbers.min():g} to {numbers.max():g}, mean {numbers.mean():g}"
    return LabelGuess(column.source_name, column.name, "double", "value", why)


def _two_classes(column: TextColumn, *, numeric: bool) -> LabelGuess:
    shares = column.known.value_counts(normalize=True)
    if numeric and set(shares.index) <= {"0", "1", "0.0", "1.0"}:
        ones = sum(float(share) for value, share in shares.items() if float(str(value)) == 1)
        return LabelGuess(column.source_name, column.name, "long", "probability", f"1 in {ones:.1%}")
    lowered = {str(value).lower(): str(value) for value in shares.index}
    if set(lowered) == {"true", "false"} and column.declared != "string":
        why = f"true in {shares[lowered['true']]:.1%}"
        return LabelGuess(column.source_name, column.name, "boolean", "probability", why)
    words = ["1"] if set(lowered) == {"0", "1"} else [each for low, each in lowered.items() if low in _POSITIVE_WORDS]
    if len(words) == 1:
        return _one_against_the_rest(column, words[0], "because of its name", numeric=numeric)
    guess = _one_against_the_rest(column, str(shares.index[-1]), "the rarer class", numeric=numeric)
    return replace(guess, confidence="medium")


def _one_against_the_rest(column: TextColumn, positive: str, reason: str, *, numeric: bool) -> LabelGuess:
    classes = sorted(map(str, column.known.unique()))
    of_class = [value for value in classes if value == positive or (numeric and _same_number(value, positive))]
    if not of_class:
        raise UsageError(
            f"label {column.source_name!r}: expected the value {positive!r} of --positive, found only "
            f"{', '.join(classes[:8])}"
        )
    share = float(column.known.isin(of_class).mean())
    rest = ", ".join(value for value in classes if value not in of_class)
    why = f"{positive!r} ({reason}, {share:.1%}) against {rest[:60]}"
    source_name, name = column.source_name, column.name
    if {value.lower() for value in classes} <= {"true", "false"} and column.declared != "string":
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
