"""All guesses of a draft, each with its reason, its confidence, and the line that changes it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import yaml

from tasks.config.pipeline import PIPELINE_FILE, Output
from tasks.onboarding.columns import ColumnGuess, Confidence
from tasks.onboarding.configuration import OUTCOMES, ROWS
from tasks.onboarding.daily_rows import DailyRows
from tasks.onboarding.distribution import Distribution
from tasks.onboarding.draft import PipelineDraft
from tasks.onboarding.features import name_list
from tasks.onboarding.leakage import GivenAway
from tasks.onboarding.windows import HOLDOUT_ROWS, WindowsGuess, detected_loss

_ANSWERS: Mapping[Output, str] = {
    "probability": "a probability",
    "probabilities": "a probability per class",
    "value": "a value",
}
_LOSS_VISIBLE = 0.05  # nats or variances per row: a comparison that detects only more than that says little


@dataclass(frozen=True, slots=True)
class Guess:
    """One guess: what it is about, what was chosen, and why.

    `place` is the path of keys in pipeline.yaml that hold it, or a file and a text that its line contains; `change` is
    that line, such as `pipeline.yaml:12`. `column` is the source's name of the column that it is about, if it is one.
    """

    about: str
    choice: str
    why: str
    confidence: Confidence = "high"
    place: tuple[str | int, ...] = ()
    change: str = ""
    column: str = ""
    missing_share: float = 0.0
    distribution: Distribution | None = None


def guesses(draft: PipelineDraft, files: Mapping[str, str]) -> tuple[Guess, ...]:
    """All guesses of the draft, in the order in which a reader checks them. `files` are those of its folder."""
    root = yaml.compose(files[PIPELINE_FILE], Loader=yaml.SafeLoader)
    return tuple(replace(guess, change=_line(guess.place, files, root)) for guess in _guesses(draft))


def _guesses(draft: PipelineDraft) -> Iterator[Guess]:
    windows, label = draft.windows, draft.label
    if draft.encoding is not None:
        yield Guess("encoding", draft.encoding, draft.encoding_why, "medium", ("sources", 0, "encoding"))
    if draft.profiled_rows is not None:
        choice = f"{draft.profiled_rows} of {draft.rows} rows"
        why = "columns are guessed from them, because of AUTOPILOT_MEMORY_BYTES_MAX; keys, days and classes from all"
        yield Guess("sample", choice, why)
    key_confidence: Confidence = "medium" if ";" in draft.key_why or "copies" in draft.key_why else "high"
    yield Guess("key", f"{draft.key}: string", draft.key_why, key_confidence, ("key",))
    time, columns = draft.time, ("tables", ROWS, "columns")
    yield Guess(
        "event time",
        f"{time.name}: timestamp",
        time.why,
        "medium" if time.formats else "high",
        (*columns, time.name),
        distribution=time.distribution,
    )
    yield Guess(
        "label",
        f"{label.name}: {label.type}, predicted as {_ANSWERS[label.output]}",
        label.why,
        label.confidence,
        ("label",),
        distribution=draft.label_distribution,
    )
    yield from (_column_guess(column) for column in draft.columns)
    estimator: Confidence = "medium"  # the first comparison decides
    yield Guess(
        "estimator", draft.estimator.family, draft.estimator.why, estimator, ("model.py", "def build_estimator")
    )
    yield Guess(
        "days",
        f"{windows.first} to {windows.last}",
        f"rows on {windows.days_with_rows} of {windows.days} days, about {windows.rows_per_day} per day",
        place=("timezone",),
    )
    yield from _daily_guesses(draft.daily_rows)
    yield from _rare_guess(windows)
    yield _windows_guess(draft)
    yield from _few_rows_guess(windows)
    yield _known_at_guess(draft)
    yield from (_warning(draft, each) for each in draft.given_away)


def _line(place: tuple[str | int, ...], files: Mapping[str, str], root: yaml.Node | None) -> str:
    """FILE:LINE of a place; the nearest enclosing key where pipeline.yaml does not have the last ones."""
    if not place:
        return ""
    if place[0] in files:
        file, text = str(place[0]), str(place[1])
        lines = files[file].splitlines()
        return f"{file}:{next(number for number, line in enumerate(lines, 1) if text in line)}"
    line, node = 1, root
    for step in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
    return f"{PIPELINE_FILE}:{line}"


def _windows_guess(draft: PipelineDraft) -> Guess:
    """The windows in days and in rows, and what the tests on them can detect."""
    windows, columns = draft.windows, len(draft.inputs)
    fitted = f"{windows.train_rows} training rows"
    if windows.train_rows > windows.rows_max:
        fitted = f"{windows.rows_max} of {fitted}"
    quality = ""
    if windows.quality_days < windows.holdout_days:
        quality = (
            f"quality on {windows.quality_days} days with about {windows.quality_rows} rows, detects an increase of "
            f"{windows.detected_increase:.2g}; "
        )
    return Guess(
        "windows",
        f"{windows.lookback_days} training days, {windows.holdout_days} held-out days, "
        f"{windows.window_days} monitored days",
        f"{fitted}; holdout {windows.held_out_rows} rows, detects a loss of {windows.detected_loss:.2g} with "
        f"probability 0.8; {quality}monitored window about {windows.window_rows} rows, a column's shift below "
        f"{windows.unnoticed_shift(columns):.2g} standard deviations probably stays unnoticed",
        "high" if windows.detected_loss <= _LOSS_VISIBLE else "low",
        ("retrain", "lookback_days"),
    )


def _few_rows_guess(windows: WindowsGuess) -> Iterator[Guess]:
    """What too few held-out rows cannot show."""
    if windows.held_out_rows < HOLDOUT_ROWS:
        why = (
            f"a difference in the loss below {windows.detected_loss:.2g} per row probably stays unnoticed; "
            f"{HOLDOUT_ROWS} held-out rows detect {detected_loss(HOLDOUT_ROWS, windows.rare_share):.2g}"
        )
        choice = f"{windows.held_out_rows} held-out rows in {windows.holdout_days} days"
        yield Guess("few rows", choice, why, "high", ("retrain", "holdout_days"))


def _known_at_guess(draft: PipelineDraft) -> Guess:
    place = ("tables", OUTCOMES, "event_time")
    if draft.label_file is None:
        why = "set label.known_at in pipeline.yaml if the label becomes known later"
        return Guess("label known at", "event time", why, "low", place)
    return Guess("label known at", f"{draft.known_at.name}: timestamp", str(draft.label_file.delays), "high", place)


def _rare_guess(windows: WindowsGuess) -> Iterator[Guess]:
    if windows.rare_share is not None:
        share, rows = windows.rare_share, round(windows.rare_share * windows.held_out_rows)
        why = (
            f"windows are measured by its rows, about {rows} are held out; tolerated losses are "
            f"{windows.loss_scale:.1%} of the usual ones; no class weights, so that probabilities stay calibrated"
        )
        yield Guess("rare class", f"{share:.2%} of the rows", why, "high", ("retrain", "worse_tolerated"))


def _warning(draft: PipelineDraft, found: GivenAway) -> Guess:
    """What gives the label away, and the line to change."""
    share = f"explains {found.explained:.0%} of the label by itself"
    if found.is_key:
        why = (
            f"the order of its values {share}, and time does not; the model does not get the key, but check that the "
            "file is not sorted or numbered by the label"
        )
        return Guess("WARNING", f"key {found.column} orders the label", why, "low", ("key",))
    column = next(each for each in draft.inputs if each.name == found.column)
    names = name_list(column)
    missing = ", mostly by where it is missing" if found.by_missing else ""
    remedy = f'remove "{found.column}" from {names} in features.py'
    why = f"it {share}{missing}; if it becomes known only with the label, {remedy}"
    choice = f"column {found.column} gives the label away"
    return Guess("WARNING", choice, why, "low", ("features.py", f'    "{column.name}",'))


def _daily_guesses(rows: DailyRows) -> Iterator[Guess]:
    limits = "no limits" if rows.share_min is None else f"{rows.share_min:g} to {rows.share_max:g} times the usual rows"
    yield Guess("rows per day", limits, rows.volume_why, "medium", ("tables", ROWS, "rows_min"))
    if rows.incomplete is not None:
        why = f"it has only {rows.incomplete_rows} rows; ingest adds it when the file has its other rows"
        yield Guess("newest day", f"{rows.incomplete} left for later", why, "medium")


def _column_guess(column: ColumnGuess) -> Guess:
    about, place = f"column {column.source_name}", ("tables", ROWS, "columns", column.name)
    choice, why = "not used", column.why
    if column.use:
        required = ", required" if column.required else ""
        accepted = "" if column.low is None else f"; {column.low:g} to {column.high:g} accepted"
        choice, why = f"{column.name}: {column.type}{required}", f"{column.why}{accepted}"
    return Guess(
        about,
        choice,
        why,
        column.confidence,
        place,
        column=column.source_name,
        missing_share=column.missing_share,
        distribution=column.distribution,
    )
