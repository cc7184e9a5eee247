"""The `pipeline.yaml` of a draft, with the reason beside each thing that was guessed."""

from collections.abc import Mapping
from glob import escape
from typing import Any

import yaml

from tasks.onboarding.columns import ColumnGuess
from tasks.onboarding.draft import Draft
from tasks.onboarding.label import LabelGuess

ROWS, OUTCOMES = "rows", "outcomes"  # tables: what is answered for, and what became of it
ROWS_SUITE, OUTCOMES_SUITE = "expectations.json", "expectations.outcomes.json"

_PAGE = """\
# Guessed by `autopilot init` from {data}, {rows} rows. Change what is wrong; docs/own-data.md says how.
name: {name}
description: What will {label} be?
timezone: UTC # a day is a calendar day here; an IANA name such as Europe/Berlin

sources: # docs/sources.md says what else there is: HTTP, databases, a file a day, backups
  - name: files
    kind: files
    url: {url}
    tables: # without {{day}} the file holds many days, which the event time tells apart; * takes in further files
      {rows_table}: {pattern}
      {outcomes_table}: {pattern}

tables:
  {rows_table}: # one row of features, one answer each
    role: batch
    key: [{key}]
    event_time: {time}
    columns:
{row_columns}
{row_words}    required: {required}
    suite: {rows_suite}
    rows_min: {rows_min} # {rows_min_why}

  {outcomes_table}: # the label, from the same file
    role: labels
    key: [{key}]
    event_time: {time}
    columns:
{outcome_columns}
{outcome_words}    suite: {outcomes_suite}

key: {key} # {key_why}
features: .features:build_features
estimator: .model:build_estimator
label: {label_section} # {label_why}
prediction: {{output: {output}}}

monitor: # rows on {days_with_rows} of {span} days, about {rows_a_day} a day
  reference_days: {reference_days}
  window_days: {window_days}
  quality_window_days: {holdout_days}
  rows_min: {compare_rows_min}

retrain:
  lookback_days: {lookback_days}
  holdout_days: {holdout_days}
  rows_min: {learn_rows_min}
"""


def configuration(draft: Draft) -> str:
    """The text of the file."""
    cadence, label, time = draft.cadence, draft.label, draft.time
    data = draft.asked.data.absolute()
    known_at = {"table": OUTCOMES, "column": label.name, "known_at": time.name}
    positive = {} if label.positive is None else {"positive": label.positive}
    key_names = {} if draft.key == draft.asked.key else {draft.key: draft.asked.key}
    return _PAGE.format(
        data=data.name,
        rows=draft.rows,
        name=_flow(draft.asked.name),
        label=_comment(label.source_name),
        url=_flow(str(data.parent)),
        pattern=_flow(escape(data.name).replace("{", "{{").replace("}", "}}")),
        rows_table=ROWS,
        outcomes_table=OUTCOMES,
        key=_flow(draft.key),
        key_why=draft.key_why,
        time=_flow(time.name),
        row_columns=_columns(draft.key, time, draft.inputs),
        row_words=_words(key_names, (time, *draft.inputs)),
        required=_flow([column.name for column in draft.inputs if column.required]),
        rows_suite=ROWS_SUITE,
        rows_min=cadence.rows_a_day_min // 4,
        rows_min_why=_rows_min_why(cadence.rows_a_day_min),
        outcome_columns=_columns(draft.key, time, (label,)),
        outcome_words=_words(key_names, (time, label)),
        outcomes_suite=OUTCOMES_SUITE,
        label_section=_flow({**known_at, **positive}),
        label_why=_comment(label.why),
        output=label.output,
        days_with_rows=cadence.days_with_rows,
        span=cadence.span,
        rows_a_day=cadence.rows_a_day,
        reference_days=cadence.reference_days,
        window_days=cadence.window_days,
        holdout_days=cadence.holdout_days,
        lookback_days=cadence.lookback_days,
        compare_rows_min=cadence.compare_rows_min,
        learn_rows_min=cadence.learn_rows_min,
    )


def _columns(key: str, time: ColumnGuess, others: tuple[ColumnGuess | LabelGuess, ...]) -> str:
    lines = [f"{_flow(key)}: string", f"{_flow(time.name)}: timestamp # {_comment(time.why)}"]
    lines += [f"{_flow(column.name)}: {column.type} # {_comment(column.why)}" for column in others]
    return "\n".join(f"      {line}" for line in lines)


def _words(key_names: dict[str, str], columns: tuple[ColumnGuess | LabelGuess, ...]) -> str:
    """How the source names, writes and leaves out what differs from the contract; empty where nothing does."""
    names: Mapping[str, object] = key_names | {
        column.name: column.source_name for column in columns if column.name != column.source_name
    }
    guesses = [column for column in columns if isinstance(column, ColumnGuess)]
    formats = {column.name: list(column.formats) for column in guesses if column.formats}
    missing = {column.name: list(column.missing) for column in guesses if column.missing}
    words: dict[str, Mapping[str, object]] = {"source_names": names, "formats": formats, "missing": missing}
    return "".join(
        f"    {part}:\n" + "".join(f"      {_flow(name)}: {_flow(value)}\n" for name, value in found.items())
        for part, found in words.items()
        if found
    )


def _rows_min_why(fewest: int) -> str:
    return f"a quarter of the quietest day, which had {fewest}" if fewest else "there are days without a row"


def _flow(value: Any) -> str:
    """One line of YAML, quoted where it has to be."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(text: str) -> str:
    """Text of the user's file in a comment: on one line, whatever is in it."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
