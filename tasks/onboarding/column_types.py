"""What a column contains: its type, how its values are written, and whether the model gets it."""

from tasks.config.pipeline import ColumnType
from tasks.ingestion.sources.contract_form import parse_times
from tasks.onboarding.columns import ColumnGuess, Confidence, TextColumn
from tasks.onboarding.distribution import numbers_distribution, texts_distribution, times_distribution
from tasks.onboarding.numbers import NumbersGuess, guess_numbers, number_bounds, why_text
from tasks.onboarding.times import cuts_digits, guess_formats

CATEGORIES_MAX = 50  # up to this many different texts are categories, however many rows there are
_CATEGORIES_SHARE_MAX = 0.05  # more are categories if each occurs often enough to learn from
_NUMBERS_AS_TEXT = "if it is a number, change its type in pipeline.yaml"
_TRUTH_WORDS = {"yes": "no", "y": "n", "t": "f", "on": "off", "ja": "nein", "oui": "non", "wahr": "falsch"}
_BOOLEAN_WORDS = {"true", "false", *_TRUTH_WORDS, *_TRUTH_WORDS.values()}
_BOOLEAN_SAMPLE = 100  # rows that rule out most columns, before all rows are read as words


def guess_column(column: TextColumn, dates: str | None = None) -> ColumnGuess:
    """The type that the file declares, else the type that fits all texts: boolean, number or timestamp, else text.

    `dates` says whether the day or the month comes first in dates such as 03/04/2013.
    """
    if column.known.empty:
        return ColumnGuess(column.source_name, column.name, "string", use=False, required=False, why="no values")
    match column.declared:
        case None:
            guess = _as_boolean(column) or _as_number(column) or _as_timestamp(column, dates)
        case "boolean":
            guess = _as_boolean(column)
        case "long" | "double":
            guess = _as_number(column)
        case "timestamp":
            guess = _as_timestamp(column, dates)
        case "string":
            guess = None
    return guess or _as_text(column)


def _as_boolean(column: TextColumn) -> ColumnGuess | None:
    if not set(column.known.head(_BOOLEAN_SAMPLE).str.strip().str.lower()) <= _BOOLEAN_WORDS:
        return None
    lowered = column.known.str.strip().str.lower()
    found = set(lowered.unique())
    if found <= {"true", "false"}:
        words, true = None, "true"
    else:
        true = next((yes for yes, no in _TRUTH_WORDS.items() if found == {yes, no}), "")
        words = (true, _TRUTH_WORDS[true]) if true else None
        if words is None:
            return None
    share = f"{lowered.eq(true).mean():.0%}"
    why = f"true in {share}" if words is None else f"{words[0]} and {words[1]}; {words[0]} in {share}"
    why = _with_missing(why, column.missing_share)
    return ColumnGuess(
        column.source_name,
        column.name,
        "boolean",
        True,
        column.is_complete,
        why,
        truth_words=words,
        missing_share=column.missing_share,
        confidence="high" if words is None else "medium",
        distribution=texts_distribution(lowered),
    )


def _as_number(column: TextColumn) -> ColumnGuess | None:
    found = guess_numbers(column.text, column.decimal)
    if found is None:
        return None
    use = found.numbers.nunique() > 1
    missing_share = float(found.plain.isna().mean())
    why = _with_missing(_describe_numbers(found), missing_share)
    required = column.is_complete and not found.missing
    low, high = number_bounds(found.numbers)
    type_: ColumnType = "long" if column.declared == "long" else "double"
    return ColumnGuess(
        column.source_name,
        column.name,
        type_,
        use,
        required,
        why,
        missing=found.missing,
        number_format=found.format,
        low=low,
        high=high,
        missing_share=missing_share,
        confidence=_number_confidence(column, found),
        distribution=numbers_distribution(found.numbers),
    )


def _number_confidence(column: TextColumn, found: NumbersGuess) -> Confidence:
    if found.doubt or len(found.odd):
        return "low"
    is_plain = found.format is None and not found.missing
    return "high" if column.declared is not None or is_plain else "medium"


def _describe_numbers(found: NumbersGuess) -> str:
    numbers = found.numbers
    kind = "whole numbers" if (numbers == numbers.round()).all() else "numbers"
    parts = [f"{kind} {numbers.min():g} to {numbers.max():g}", *found.notation]
    if found.missing:
        parts.append(f"{', '.join(map(repr, found.missing))} mean missing")
    if len(found.odd):
        parts.append(f"{len(found.odd)} other texts, such as {found.odd.iloc[0]!r}, are quarantined")
    if numbers.nunique() == 1:
        parts.append("constant")
    return "; ".join(parts)


def _as_timestamp(column: TextColumn, dates: str | None) -> ColumnGuess | None:
    found = guess_formats(column.text, dates)
    if found is None:
        return None
    formats = " or ".join(found.formats) or "ISO 8601"
    doubt = f"; {found.ambiguous!r} could have the month first, set --dates" if found.ambiguous else ""
    doubt += "; digits below a microsecond are cut off" if cuts_digits(column.known) else ""
    why = _with_missing(f"times in format {formats}{doubt}; used as days before the event", column.missing_share)
    return ColumnGuess(
        column.source_name,
        column.name,
        "timestamp",
        True,
        column.is_complete,
        why,
        formats=found.formats,
        missing_share=column.missing_share,
        confidence="low" if found.ambiguous else "medium" if found.formats else "high",
        distribution=times_distribution(parse_times(column.known, found.formats)),
    )


def _as_text(column: TextColumn) -> ColumnGuess:
    known = column.known
    distinct = known.drop_duplicates()
    values = distinct.to_numpy()
    is_number_text = column.declared == "string" and guess_numbers(distinct) is not None
    reason = f"text in the file; {_NUMBERS_AS_TEXT}" if is_number_text else why_text(distinct)
    doubt = f"; {reason}" if reason else ""
    if len(values) > max(CATEGORIES_MAX, _CATEGORIES_SHARE_MAX * len(known)):
        why = _with_missing(f"{len(values)} different texts in {len(known)} rows{doubt}", column.missing_share)
        return ColumnGuess(
            column.source_name,
            column.name,
            "string",
            use=False,
            required=False,
            why=why,
            missing_share=column.missing_share,
            confidence="medium",
        )
    categories = tuple(sorted(map(str, values)))
    use = len(categories) > 1
    shown = ", ".join(categories[:4]) + (", …" if len(categories) > 4 else "")
    found = f"{len(categories)} categories: {shown}" if use else f"constant {categories[0]!r}"
    why = _with_missing(f"{found}{doubt}", column.missing_share)
    return ColumnGuess(
        column.source_name,
        column.name,
        "string",
        use,
        column.is_complete,
        why,
        categories=categories,
        missing_share=column.missing_share,
        confidence="medium" if reason else "high",
        distribution=texts_distribution(known),
    )


def _with_missing(why: str, share: float) -> str:
    return f"{why}; {share:.1%} missing" if share else why
