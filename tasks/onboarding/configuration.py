"""The `pipeline.yaml` of a draft, with the reason of each guess as a comment."""

from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any

import yaml

from tasks.config.monitor_section import Monitor
from tasks.config.retrain_section import Retrain
from tasks.onboarding.columns import ColumnGuess
from tasks.onboarding.daily_rows import DailyRows
from tasks.onboarding.draft import PipelineDraft
from tasks.onboarding.label import LabelGuess
from tasks.onboarding.windows import WindowsGuess, entropy

ROWS, OUTCOMES = "rows", "outcomes"  # tables: the rows to predict, and their labels
ROWS_SUITE, OUTCOMES_SUITE = "expectations.json", "expectations.outcomes.json"

_PAGE = """\
# Guessed by `autopilot init` from {data}, {rows} rows. Correct what is wrong; docs/own-data.md explains how.
name: {name}
description: {description}
timezone: UTC # days are calendar days in this time zone; an IANA name such as Europe/Berlin

sources: # docs/sources.md describes other sources: HTTP, databases, one file per day, backups
  - name: files
    kind: files
    url: {url}{encoding}
    tables: # a pattern without {{day}} means a file with many days, split by event time; * matches more files
      {rows_table}: {pattern}
      {outcomes_table}: {labels_pattern}

tables:
  {rows_table}: # one prediction per row
    role: batch
    key: [{key}]
    event_time: {time}
    columns:
{row_columns}
{row_formats}    required: {required}
    suite: {rows_suite}
    rows_min: {rows_min} # {rows_min_why}
{volume}

  {outcomes_table}: # the label, from {labels_from}
    role: labels
    key: [{key}]
    event_time: {known_at}
    columns:
{outcome_columns}
{outcome_formats}    suite: {outcomes_suite}

key: {key} # {key_why}
features: .features:build_features
estimator: .model:build_estimator
label: {label_section} # {label_why}
prediction: {{output: {output}}}

monitor: # rows on {days_with_rows} of {days} days, about {rows_per_day} per day
  reference_days: {reference_days}
  window_days: {window_days}
  quality_window_days: {quality_days}
  rows_min: {compare_rows_min}{rare_monitor}

retrain:
  lookback_days: {lookback_days}
  holdout_days: {compared_days}{delay_why}
  every_days: {quality_days} # a renewal after as many new days; without this line none by schedule
  rows_min: {train_rows_min}{rows_max}{rare_retrain}
"""

# Settings whose defaults suit two classes of about the same size; nats per row.
_MONITOR_TOLERATED = ("loss_increase_tolerated",)
_RETRAIN_TOLERATED = ("worse_tolerated", "refit_worse_tolerated")


def configuration(draft: PipelineDraft) -> str:
    """Text of the file."""
    windows, label, time, known = draft.windows, draft.label, draft.time, draft.known_at
    labels, delay = draft.request.labels, draft.label_delay_days
    data = draft.request.data.absolute()
    known_at = {"table": OUTCOMES, "column": label.name, "known_at": known.name}
    positive = {} if label.positive is None else {"positive": label.positive}
    classes = {"classes": list(label.classes)} if label.classes else {}
    key_names = {} if draft.key == draft.request.key else {draft.key: draft.request.key}
    return _PAGE.format(
        data=data.name,
        rows=draft.rows,
        name=_flow(draft.request.name),
        description=_flow(_comment(f"Predicts {label.source_name}")),
        url=_flow(str(data.parent)),
        encoding="" if draft.encoding is None else f"\n    encoding: {draft.encoding} # {_comment(draft.encoding_why)}",
        pattern=_pattern(data),
        labels_pattern=_pattern(data if labels is None else labels),
        labels_from="the same file" if labels is None else "a file of its own, by the day on which it became known",
        known_at=_flow(known.name),
        compared_days=windows.holdout_days + delay,
        delay_why=f" # {windows.holdout_days}, and {delay} until nearly all labels of a day are known" if delay else "",
        rows_table=ROWS,
        outcomes_table=OUTCOMES,
        key=_flow(draft.key),
        key_why=draft.key_why,
        time=_flow(time.name),
        row_columns=_columns(draft.key, time, draft.inputs),
        row_formats=_source_formats(key_names, (time, *draft.inputs)),
        required=_flow([column.name for column in draft.inputs if column.required]),
        rows_suite=ROWS_SUITE,
        rows_min=draft.daily_rows.rows_min,
        rows_min_why=draft.daily_rows.rows_min_why,
        volume=_volume(draft.daily_rows),
        outcome_columns=_columns(draft.key, known, (label,)),
        outcome_formats=_source_formats(key_names, (known, label)),
        outcomes_suite=OUTCOMES_SUITE,
        label_section=_flow({**known_at, **positive, **classes}),
        label_why=_comment(label.why),
        output=label.output,
        days_with_rows=windows.days_with_rows,
        days=windows.days,
        rows_per_day=windows.rows_per_day,
        reference_days=windows.reference_days,
        window_days=windows.window_days,
        holdout_days=windows.holdout_days,
        quality_days=windows.quality_days,
        lookback_days=windows.lookback_days,
        compare_rows_min=windows.compare_rows_min,
        train_rows_min=windows.train_rows_min,
        rows_max=_rows_max(windows),
        rare_monitor=_tolerated(windows, Monitor, _MONITOR_TOLERATED),
        rare_retrain=_tolerated(windows, Retrain, _RETRAIN_TOLERATED),
    )


def _rows_max(windows: WindowsGuess) -> str:
    """Lines for a rare class of which the default sizes of samples would have too few rows."""
    found = {"rows_max": (windows.rows_max, 1_000), "holdout_rows_max": (windows.holdout_rows_max, 100)}
    return "".join(
        f"\n  {name}: {rows} # a sample with {wanted} rows of the rare class"
        for name, (rows, wanted) in found.items()
        if rows > Retrain.model_fields[name].default
    )


def _tolerated(windows: WindowsGuess, section: type[Monitor | Retrain], names: Sequence[str]) -> str:
    """Lines for a rare class: the section's defaults, in proportion to the loss of the base rate."""
    if windows.rare_share is None:
        return ""
    values = {name: section.model_fields[name].default * windows.loss_scale for name in names}
    why = f"of the usual tolerance, because the base rate costs only {entropy(windows.rare_share):.2g} nats per row"
    return "".join(f"\n  {name}: {value:.2g} # {windows.loss_scale:.1%} {why}" for name, value in values.items())


def _pattern(file: Path) -> str:
    """The file's name as a pattern that matches only itself."""
    return _flow(escape(file.name).replace("{", "{{").replace("}", "}}"))


def _columns(key: str, time: ColumnGuess, others: tuple[ColumnGuess | LabelGuess, ...]) -> str:
    lines = [f"{_flow(key)}: string", f"{_flow(time.name)}: timestamp # {_comment(time.why)}"]
    lines += [f"{_flow(column.name)}: {column.type} # {_comment(column.why)}" for column in others]
    return "\n".join(f"      {line}" for line in lines)


def _source_formats(key_names: dict[str, str], columns: tuple[ColumnGuess | LabelGuess, ...]) -> str:
    """How the source names and writes columns, where that differs from the contract; may be empty."""
    names: Mapping[str, object] = key_names | {
        column.name: column.source_name for column in columns if column.name != column.source_name
    }
    guesses = [column for column in columns if isinstance(column, ColumnGuess)]
    formats = {column.name: list(column.formats) for column in guesses if column.formats}
    numbers = {
        each.name: each.number_format.model_dump(exclude_defaults=True) for each in columns if each.number_format
    }
    booleans = {column.name: list(column.truth_words) for column in guesses if column.truth_words}
    missing = {column.name: list(column.missing) for column in columns if column.missing}
    sections: dict[str, Mapping[str, object]] = {
        "source_names": names,
        "formats": formats,
        "numbers": numbers,
        "booleans": booleans,
        "missing": missing,
    }
    return "".join(
        f"    {section}:\n" + "".join(f"      {_flow(name)}: {_flow(value)}\n" for name, value in found.items())
        for section, found in sections.items()
        if found
    )


def _volume(rows: DailyRows) -> str:
    """The limits of a day's number of rows, or why there are none."""
    if rows.share_min is None:
        return f"    # volume: {rows.volume_why}"
    return f"    volume: {{share_min: {rows.share_min}, share_max: {rows.share_max}}} # {rows.volume_why}"


def _flow(value: Any) -> str:
    """`value` as one line of YAML, quoted where necessary."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(text: str) -> str:
    """Text from the user's file as a comment: one line of printable characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
