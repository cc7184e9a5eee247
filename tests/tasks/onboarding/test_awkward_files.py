"""Awkward files: each column has the right type and each file is read, or one clear line says why not.

The columns are together in one file per format, so that the corpus costs seconds.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healing.errors import UsageError
from tasks.onboarding.columns import ColumnGuess
from tasks.onboarding.draft import OnboardingRequest, PipelineDraft, draft_pipeline
from tasks.onboarding.files import read_rows
from tasks.onboarding.onboard import onboard
from tests.orders import orders

ROWS = orders(days=20, rows_per_day=30).drop(columns=["cost", "channel"])
COUNT = len(ROWS)
RANDOM = np.random.default_rng(7)
AMOUNTS = RANDOM.lognormal(7, 1, COUNT).round(2)
WHOLE = RANDOM.integers(0, 40, COUNT)
TIMES = pd.to_datetime(ROWS["at"]) - pd.Timedelta(days=3)


@dataclass(frozen=True)
class Kind:
    """A kind of column: its values, and what is expected of its guess."""

    values: object
    type: str
    use: bool = True
    why: str = ""


def cycled(*values: object) -> list[object]:
    return [values[index % len(values)] for index in range(COUNT)]


def with_some(values: object, other: object, every: int = 50) -> list[object]:
    return [other if index % every == 0 else value for index, value in enumerate(values)]


CSV = {
    "thousands": Kind([f"{each:,.2f}" for each in AMOUNTS], "double", why="thousands ','"),
    "whole thousands": Kind([f"{1000 * each + 1000000:,}" for each in WHOLE], "double", why="thousands ','"),
    "dollars": Kind([f"${each:.2f}" for each in AMOUNTS], "double", why="unit '$' left out"),
    "negative dollars": Kind([f"-${each:,.2f}" for each in AMOUNTS], "double", why="unit '$' left out"),
    "brackets": Kind([f"({each:.2f})" for each in AMOUNTS], "double", why="numbers -"),
    "euros": Kind([f"{each:.2f} €" for each in AMOUNTS], "double", why="unit '€' left out"),
    "currency code": Kind([f"EUR {each:.2f}" for each in AMOUNTS], "double", why="unit 'EUR' left out"),
    "percent": Kind([f"{each}%" for each in WHOLE], "double", why="unit '%' left out"),
    "Swiss": Kind([f"{each:,.2f}".replace(",", "'") for each in AMOUNTS], "double", why='thousands "\'"'),
    "decimal comma": Kind([f"{each:.2f}".replace(".", ",") for each in AMOUNTS], "double", why="decimal comma"),
    "infinite": Kind(with_some(AMOUNTS, "inf"), "double", why="'-inf', 'inf' mean missing"),
    "Excel errors": Kind(with_some(AMOUNTS, "#DIV/0!"), "double", why="'#DIV/0!' mean missing"),
    "scientific": Kind([f"{each:.3e}" for each in AMOUNTS], "double"),
    "plus signs": Kind([f"{each - 20:+d}" for each in WHOLE], "double"),
    "spaces": Kind([f" {each} " for each in AMOUNTS], "double"),
    "largest exact": Kind(cycled(str(2**53), str(2**53 - 1)), "double"),
    "long digits": Kind(cycled(str(2**53), str(2**53 + 1)), "string", why="would round its digits"),
    "many long digits": Kind([str(2**60 + each) for each in range(COUNT)], "string", use=False, why="would round"),
    "leading zeros": Kind(cycled("0123", "4567", "0890"), "string", why="looks like a code"),
    "phones": Kind(cycled("+4930123456", "+4930123457"), "string", why="looks like a code"),
    "exponent codes": Kind(cycled("1E05", "2E10"), "string", why="looks like a code"),
    "two currencies": Kind(cycled("$12", "€12", "$13", "€14"), "string", why="different units: '$', '€'"),
    "some percent": Kind(cycled("12%", "0.12", "13%", "0.13"), "string", why="different units: none, '%'"),
    "versions": Kind(cycled("1.2.3", "1.10.0"), "string"),
    "clock": Kind(cycled("12:30", "13:45"), "string"),
    "yes no": Kind(cycled("yes", "no", "Yes"), "boolean", why="yes and no"),
    "Y N": Kind(cycled("Y", "N", "N"), "boolean", why="y and n; y in 33%"),
    "t f": Kind(cycled("t", "f"), "boolean"),
    "TRUE FALSE": Kind(cycled("TRUE", "FALSE"), "boolean"),
    "on off": Kind(cycled("on", "off"), "boolean"),
    "zero one": Kind(cycled("0", "1"), "double"),
    "only yes": Kind(cycled("yes"), "string", use=False, why="constant"),
    "yes no maybe": Kind(cycled("yes", "no", "maybe"), "string"),
    "dates": Kind(TIMES.dt.strftime("%Y-%m-%d"), "timestamp"),
    "German dates": Kind(TIMES.dt.strftime("%d.%m.%Y"), "timestamp", why="%d.%m.%Y"),
    "zoned times": Kind(TIMES.dt.strftime("%Y-%m-%dT%H:%M:%S+02:00"), "timestamp"),
    "two offsets": Kind(
        with_some(TIMES.dt.strftime("%Y-%m-%dT%H:%M:%S+01:00"), "2024-03-31T03:00:00+02:00"), "timestamp"
    ),
    "nanoseconds": Kind(TIMES.dt.strftime("%Y-%m-%dT%H:%M:%S.123456789"), "timestamp", why="below a microsecond"),
    "empty": Kind(cycled(None), "string", use=False, why="no values"),
    "label": Kind(WHOLE, "double"),
    'a "quoted"\nname': Kind(WHOLE, "double"),
    "'; DROP TABLE rows; --": Kind(WHOLE, "double"),
    "{braces} # and: colons": Kind(WHOLE, "double"),
    "": Kind(WHOLE, "double"),
    "class": Kind(WHOLE, "double"),
}

PARQUET = {
    "text numbers": Kind(cycled("1", "2", "3"), "string", why="change its type in pipeline.yaml"),
    "zip codes": Kind([str(20001 + each) for each in WHOLE], "string"),
    "many zip codes": Kind([str(20001 + each) for each in range(COUNT)], "string", use=False, why="change its type"),
    "categorical": Kind(pd.Categorical(cycled("1", "2", "3")), "string"),
    "categorical numbers": Kind(pd.Categorical(cycled(1, 2, 3)), "long"),
    "texts true false": Kind(cycled("true", "false"), "string"),
    "texts of missing": Kind(cycled("NA", "", "null", "x"), "string", why="4 categories"),
    "text dates": Kind(TIMES.dt.strftime("%Y-%m-%d"), "string"),
    "int8": Kind(WHOLE.astype("int8"), "long"),
    "uint64": Kind(WHOLE.astype("uint64"), "long"),
    "large uint64": Kind(np.array(cycled(2**63, 2**63 + 1), dtype="uint64"), "string", why="would round its digits"),
    "nullable integers": Kind(pd.array(with_some(WHOLE, None), dtype="Int64"), "long"),
    "large nullable": Kind(pd.array(with_some(cycled(2**53, 2**53 + 1), None), dtype="Int64"), "string"),
    "float32": Kind(AMOUNTS.astype("float32"), "double"),
    "infinite": Kind(with_some(AMOUNTS, -np.inf), "double", why="'-inf', 'inf' mean missing"),
    "decimal": Kind([Decimal(str(each)) for each in AMOUNTS], "double"),
    "boolean": Kind(WHOLE > 20, "boolean"),
    "nullable boolean": Kind(pd.array(with_some(WHOLE > 20, None), dtype="boolean"), "boolean"),
    "date": Kind(TIMES.dt.date, "timestamp"),
    "nanoseconds": Kind(TIMES + pd.Timedelta(1, "ns"), "timestamp", why="below a microsecond"),
    "zoned": Kind(TIMES.dt.tz_localize("Europe/Berlin"), "timestamp"),
    "clock": Kind([each.time() for each in TIMES], "string", use=False),
}


def request(path: Path, **changes: object) -> OnboardingRequest:
    options = {"name": "mine", "data": path, "label": "returned", "time": "at", "key": "id"} | changes
    return OnboardingRequest(**options)


def drafted(path: Path, **changes: object) -> PipelineDraft:
    return draft_pipeline(request(path, **changes), read_rows(path))


def columns_of(draft: PipelineDraft) -> dict[str, ColumnGuess]:
    return {column.source_name: column for column in draft.columns}


def wide(kinds: dict[str, Kind]) -> pd.DataFrame:
    values = {name: pd.Series(kind.values, index=ROWS.index) for name, kind in kinds.items()}
    return pd.concat([ROWS, pd.DataFrame(values)], axis=1)


@pytest.fixture(scope="module")
def csv_columns(tmp_path_factory) -> dict[str, ColumnGuess]:
    path = tmp_path_factory.mktemp("corpus") / "all.csv"
    wide(CSV).to_csv(path, index=False)
    return columns_of(drafted(path))


@pytest.fixture(scope="module")
def parquet_columns(tmp_path_factory) -> dict[str, ColumnGuess]:
    path = tmp_path_factory.mktemp("corpus") / "all.parquet"
    wide(PARQUET).to_parquet(path, index=False)
    return columns_of(drafted(path))


@pytest.mark.parametrize("name", CSV)
def test_a_csv_column_is_what_its_texts_are_without_loss(csv_columns, name):
    check(csv_columns[name], CSV[name])


@pytest.mark.parametrize("name", PARQUET)
def test_a_parquet_column_has_the_type_of_the_file(parquet_columns, name):
    check(parquet_columns[name], PARQUET[name])


def check(found: ColumnGuess, kind: Kind) -> None:
    assert (found.type, found.use) == (kind.type, kind.use), found
    assert kind.why in found.why
    assert "\n" not in found.why


@pytest.mark.parametrize(("kinds", "suffix"), [(CSV, "csv"), (PARQUET, "parquet")])
def test_the_written_pipeline_accepts_the_whole_corpus(tmp_path, kinds, suffix):
    path = tmp_path / f"all.{suffix}"
    frame = wide(kinds)
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path, index=False)
    result = onboard(request(path), tmp_path / "pipelines")
    assert [(table.accepted, table.reasons) for table in result.dry_run] == [(COUNT, {}), (COUNT, {})]


def european(text: str) -> str:
    return text.replace(",", ";").replace(".", ",")


PLAIN = ROWS.to_csv(index=False)
NAMED = ROWS.assign(city=cycled("Zürich", "Genève")).to_csv(index=False)
READ: dict[str, Callable[[], bytes]] = {
    "a byte order mark": lambda: PLAIN.encode("utf-8-sig"),
    "Windows line ends": lambda: PLAIN.replace("\n", "\r\n").encode(),
    "empty lines before the header": lambda: b"\r\n\n" + PLAIN.encode(),
    "no line end": lambda: PLAIN.rstrip().encode(),
    "semicolons and decimal commas": lambda: european(PLAIN).encode(),
    "tabs": lambda: PLAIN.replace(",", "\t").encode(),
    "bars": lambda: PLAIN.replace(",", "|").encode(),
    "Windows-1252": lambda: NAMED.encode("cp1252"),
    "UTF-16": lambda: NAMED.encode("utf-16"),
    "UTF-16, big endian": lambda: b"\xfe\xff" + NAMED.encode("utf-16-be"),
}


@pytest.mark.parametrize("what", READ)
def test_a_file_is_read_however_it_is_written(tmp_path, what):
    path = tmp_path / "orders.csv"
    path.write_bytes(READ[what]())
    draft = drafted(path)
    assert draft.rows == COUNT
    assert columns_of(draft)["amount"].type == "double"
    if "city" in columns_of(draft):
        assert columns_of(draft)["city"].categories == ("Genève", "Zürich")
        assert (draft.encoding == "cp1252") == (what == "Windows-1252")


def label(values: object, **changes: object) -> tuple[pd.DataFrame, dict[str, object]]:
    return ROWS.assign(returned=values), changes


LABELS = {
    "Y N": (label(cycled("Y", "N")), "string", "probability"),
    "booleans": (label(cycled(True, False)), "boolean", "probability"),
    "texts 0 and 1 of Parquet": (label(cycled("0", "1")), "string", "probability"),
    "three texts": (label(cycled("a", "b", "c")), "string", "probabilities"),
    "three texts of digits of Parquet": (label(cycled("1", "2", "3")), "string", "probabilities"),
    "grades": (label(cycled(1, 2, 3, 4, 5)), "long", "probabilities"),
    "grades and a marker": (label(with_some(cycled("1", "2", "3"), "?", 7)), "long", "probabilities"),
    "dollars": (label([f"${each:,.2f}" for each in AMOUNTS]), "double", "value"),
    "numbers and a marker": (label(with_some(AMOUNTS, "?")), "double", "value"),
    "0 and 1 and a marker": (label(with_some(cycled("0", "1"), "unknown", 7)), "long", "probability"),
}


@pytest.mark.parametrize("what", LABELS)
def test_a_label_is_read_as_its_column_writes_it(tmp_path, what):
    (frame, changes), type_, output = LABELS[what]
    path = tmp_path / ("orders.parquet" if "Parquet" in what else "orders.csv")
    frame.to_parquet(path, index=False) if "Parquet" in what else frame.to_csv(path, index=False)
    found = drafted(path, **changes).label
    assert (found.type, found.output) == (type_, output)


REFUSED: dict[str, tuple[bytes | pd.DataFrame, str]] = {
    "columns named twice": (PLAIN.replace("amount", "at", 1).encode(), "columns named twice: at"),
    "two columns without a name": (b"id,at,returned,,\n1,2,3,4,5\n", "columns named twice: no name"),
    "a row with more fields": (PLAIN.encode() + b"1,2,3,4,5\n", "Expected 4 columns, got 5"),
    "another alphabet": (("id,at\n" + "привет,1\n" * 9).encode("cp1251"), "not UTF-8"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), "zero bytes"),
    "decoded twice": (NAMED.encode().decode("cp1252").encode(), "was once read as"),
    "too many classes": (
        ROWS.assign(returned=cycled(*map(str.__add__, "c" * 26, "abcdefghijklmnopqrstuvwxyz"))),
        "expected at most 20 classes, found 26 .* set --positive",
    ),
    "nested values": (ROWS.assign(tags=[["x"]] * COUNT), "list.* in 'tags', not a single value"),
    "a header only": (b"id,at,returned\n", "only the header"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, what):
    content, message = REFUSED[what]
    path = tmp_path / ("orders.csv" if isinstance(content, bytes) else "orders.parquet")
    path.write_bytes(content) if isinstance(content, bytes) else content.to_parquet(path, index=False)
    with pytest.raises(UsageError, match=message) as refused:
        drafted(path)
    assert "\n" not in str(refused.value)


def test_a_day_that_its_time_zone_splits_leaves_the_newest_day_for_later(tmp_path):
    """30 rows on each local day of New York, of which the last 5 or 6 are on the next day in UTC."""
    local = pd.date_range("2024-03-01", periods=COUNT, freq="48min")
    at = local.tz_localize("America/New_York", nonexistent="shift_forward")
    path = tmp_path / "orders.parquet"
    ROWS.assign(at=at).to_parquet(path, index=False)
    draft = drafted(path)
    assert str(draft.daily_rows.incomplete) == "2024-03-21"
    assert str(draft.windows.last) == "2024-03-20"


def test_json_keeps_texts_and_numbers(tmp_path):
    path = tmp_path / "orders.json"
    rows = ROWS.assign(code=cycled("007", "8"), big=cycled(2**53 + 1, 2**53), none=cycled(None)).to_dict("records")
    path.write_text(json.dumps(rows))
    found = columns_of(drafted(path))
    assert found["code"].type == "string"
    assert found["big"].categories == (str(2**53), str(2**53 + 1))
