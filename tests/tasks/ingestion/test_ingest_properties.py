"""Whatever a source sends: no row is lost or added, a second run changes nothing, and accepted rows are right.

The oracle below does not use the checks of the contract; it reads the rows in the lake.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healing.errors import SourceUnavailable
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.ingestion.ingest_table import ingest_table
from tasks.ingestion.sources import Lookup, open_sources
from tasks.ingestion.stores import Stores
from tasks.lake.lake_table import LakeTable
from tasks.ledger.store import Ledger
from tests.examples import examples

DAYS = [date(2013, 3, day) for day in (4, 5)]
PIPELINE = """
name: p
timezone: America/New_York
sources: [{name: only, kind: files, url: "${folder}", attempts: 1}]
tables:
  rows:
    role: batch
    path: /rows/{day}.csv
    key: [id]
    event_time: at
    columns: {id: string, at: timestamp, kind: string, x: double, n: long, late: long}
    required: [kind, x]
    renames: {sort: kind}
    units: {x: {thousandths: 1000}}
    impute: [x]
    composed: {id: "{kind}-{n}"}
    determined: {x: [kind]}
    reference: reference.json
    suite: suite.json
    distinct_days: true
    volume: {share_min: 0.3}
contract: {repairs: [rename, cast, convert, impute, drop_duplicates]}
key: id
features: .nothing:build
estimator: .nothing:build
label: {table: rows, column: late, known_at: at}
"""
REFERENCE = {
    "since": "2013-01-01",
    "until": "2013-01-31",
    "rows": 100,
    "numbers": {"x": {"median": 5.0, "scale": 5.0, "null_share_max": 0.0}},
    "texts": {"kind": {"mode": "a", "categories": ["a", "b"], "null_share_max": 0.0}},
    "determined": {"x": {"a": 5.0, "b": 8.0}},
}
SUITE = {
    "name": "rows",
    "expectations": [
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "kind", "regex": "^[a-z]$"}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "n", "min_value": 0, "max_value": 99, "mostly": 0.6},
            "severity": "critical",
        },
    ],
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    folder = tmp_path_factory.mktemp("pipelines") / "p"
    folder.mkdir()
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "reference.json").write_text(json.dumps(REFERENCE))
    (folder / "suite.json").write_text(json.dumps(SUITE))
    return load_pipeline("p", folder.parent)


@contextmanager
def stores_in(folder: Path, pipeline: Pipeline) -> Iterator[Stores]:
    with Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        yield Stores(
            pipeline, folder / "lake", folder / "quarantine", ledger, lambda *_: None, lambda *_: None, run_id=None
        )


def good_row(day: date, kind: str, number: int) -> dict[str, str | None]:
    value = {"a": "5.0", "b": "8.0"}[kind]
    return {
        "id": f"{kind}-{number}",
        "at": f"{day}T{15 + number % 8}:00:00Z",
        "kind": kind,
        "x": value,
        "n": str(number),
        "late": "0",
    }


ODD = {
    "id": [None, "", "a-1", "zzz"],
    "at": [None, "soon", "2013-03-04T02:00:00Z", "2013-03-05T16:00:00Z", "2099-01-01", "1362409200"],
    "kind": [None, "b", "c", "\N{REPLACEMENT CHARACTER}", "ab"],
    "x": [None, "1e999", "nan", "5,000.0", "5000", "0", "-5", "far"],
    "n": [None, "1.5", "100", "007", "9" * 30],
    "late": [None, "2", "true", "yes"],
}


@st.composite
def batches(draw: st.DrawFn, day: date) -> bytes:
    """Rows that are mostly right, with odd values in some rows or a whole column; some are renamed or duplicated."""
    numbers = draw(st.lists(st.integers(0, 99), min_size=0, max_size=40))
    rows = pd.DataFrame(
        [good_row(day, "ab"[number % 2], number) for number in numbers], columns=list(ODD), dtype=object
    )
    for _ in range(draw(st.integers(0, 3)) if len(rows) else 0):
        column = draw(st.sampled_from(list(ODD)))
        value = draw(st.sampled_from(ODD[column]))
        places = draw(st.one_of(st.just(list(rows.index)), st.lists(st.sampled_from(list(rows.index)), max_size=4)))
        rows.loc[places, column] = value
    if draw(st.booleans()) and len(rows):
        rows = pd.concat([rows, rows.sample(len(rows), random_state=1)], ignore_index=True)
    name = draw(st.sampled_from(["kind", "kind", "sort", "unheard_of"]))
    return rows.rename(columns={"kind": name}).to_csv(index=False).encode()


def state(stores: Stores) -> tuple[object, ...]:
    """Everything that a second run must not change."""
    table = LakeTable(stores.lake_root, "rows", ["id"])
    stored = "" if table.version() is None else table.read().to_csv()
    records = [(r.batch_id, r.received, r.accepted, r.quarantined, r.duplicates, r.status) for r in all_of(stores)]
    quarantine = {str(path): path.read_bytes() for path in stores.quarantine_root.rglob("*") if path.is_file()}
    incidents = sorted((i.cause, i.subject, i.status) for i in stores.ledger.incidents("p"))
    return stored, records, quarantine, incidents, table.version()


def all_of(stores: Stores):
    return sorted(stores.ledger.batches("p"), key=lambda record: record.batch_id)


def deliver(stores: Stores, folder: Path, days: list[date]) -> None:
    with open_sources(stores.pipeline, Lookup({"folder": str(folder)}), folder) as chain:
        try:
            ingest_table(stores, chain, "rows", days)
        except SourceUnavailable:  # the document was refused, so nothing may be committed
            return


@examples(25)
@given(data=st.data())
def test_rows_are_conserved_reruns_change_nothing_and_accepted_rows_are_right(pipeline, data):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "rows").mkdir()
        with stores_in(folder, pipeline) as stores:
            for day in data.draw(st.permutations(DAYS)):
                (folder / "rows" / f"{day}.csv").write_bytes(data.draw(batches(day)))
                deliver(stores, folder, [day])
            check(stores, folder)
            before = state(stores)
            deliver(stores, folder, DAYS)
            assert state(stores) == before


def check(stores: Stores, folder: Path) -> None:
    """What must hold for lake and ledger, whatever was sent."""
    for record in all_of(stores):
        sent = len(pd.read_csv(folder / f"{record.batch_id}.csv", dtype=str))
        assert record.received == sent == record.accepted + record.quarantined + record.duplicates
    table = LakeTable(stores.lake_root, "rows", ["id"])
    if table.version() is None:
        return
    rows = table.read()
    assert not rows["id"].duplicated().any()
    assert rows[["id", "at", "kind", "x"]].notna().all(axis=None)
    assert (rows["at"].dt.tz_convert("America/New_York").dt.date == rows["event_day"]).all()
    assert rows["kind"].str.fullmatch("[a-z]").all()
    known = rows[rows["kind"].isin(["a", "b"])]
    assert ((known["x"] / known["kind"].map({"a": 5.0, "b": 8.0}) - 1).abs() <= 0.01).all()
    assert (rows["n"].isna() | rows["n"].between(0, 99)).all()
    named = rows[rows["n"].notna()]
    assert (named["id"] == named["kind"] + "-" + named["n"].astype("Int64").astype(str)).all()
    per_day = rows.groupby("event_day").size()
    accepted = {record.day: record.accepted for record in all_of(stores)}
    assert sum(accepted.values()) >= per_day.sum()  # a later batch may correct a row of an earlier one
