"""What comes out of the lake is what went into the source, value and type: CSV, Parquet and a database."""

import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.table import NumberFormat
from tasks.ingestion.sources import Lookup, open_source
from tasks.ingestion.sources.number_format import plain_numbers
from tasks.ingestion.validate import validate_batches
from tasks.lake.lake_table import LakeTable
from tests.examples import examples

DAY = date(2024, 3, 31)  # in Europe, clocks change on it
PIPELINE = """
name: p
timezone: UTC
sources: [{{name: only, kind: {kind}, url: "{url}", attempts: 1{more}}}]
tables:
  rows:
    role: batch
    path: /rows.{suffix}
    key: [id]
    event_time: at
    columns: {{id: string, at: timestamp, text: string, real: double, whole: long, truth: boolean}}
key: id
features: .nothing:build
estimator: .nothing:build
label: {{table: rows, column: real, known_at: at}}
"""
TYPES = {
    "id": pa.string(),
    "at": pa.timestamp("us", "UTC"),
    "text": pa.string(),
    "real": pa.float64(),
    "whole": pa.int64(),
    "truth": pa.bool_(),
}
MIDNIGHT = datetime(2024, 3, 31, tzinfo=UTC)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12) | st.sampled_from(
    ["NA", "null", "NaN", "", "007", "1e5", "true", " x ", '"', "a,b;c", "a\nb", "'", "-", "2024-01-01", "12%", "é"]
)


@st.composite
def tables(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> pa.Table:
    """Rows of one day with every type; each value but key and time may be missing."""
    columns = {
        "text": st.none() | texts,
        "real": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "truth": st.none() | st.booleans(),
    }
    micros = draw(st.lists(st.integers(0, 86_400_000_000 - 1), min_size=1, max_size=12))
    rows = [
        {"id": f"{number:03}", "at": MIDNIGHT + timedelta(microseconds=each)}
        | {name: draw(values) for name, values in columns.items()}
        for number, each in enumerate(micros)
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(TYPES.items())))


def pipeline(folder: Path, kind: str, url: str, suffix: str, more: str = "") -> Pipeline:
    (folder / "p").mkdir()
    text = PIPELINE.format(kind=kind, url=url, suffix=suffix, more=more)
    (folder / "p/pipeline.yaml").write_text(text)
    return load_pipeline("p", folder)


def through_the_lake(found: Pipeline, folder: Path) -> tuple[pa.Table, pd.DataFrame]:
    """The rows of the day after source, validation and lake, in Arrow's types and as a frame."""
    source = open_source(found, found.sources[0], Lookup(), folder)
    try:
        [batch] = source.fetch("rows", found.tables["rows"], [DAY])
    finally:
        source.close()
    [validated] = validate_batches(found, "rows", [batch])
    assert validated.bad == {}
    lake = LakeTable(folder / "lake", "rows", ["id"])
    lake.commit(lake.plan_merge(validated.good), {batch.id: {}})
    return lake.rows(columns=list(TYPES)), lake.read(columns=list(TYPES))


def check_equal(sent: pa.Table, lake: tuple[pa.Table, pd.DataFrame]) -> None:
    stored, frame = lake
    assert stored.schema.types == sent.schema.types
    assert stored.to_pylist() == sent.to_pylist()
    whole = [None if pd.isna(each) else int(each) for each in frame["whole"]]
    assert whole == sent["whole"].to_pylist()  # also as pandas reads the lake


@examples(15)
@given(sent=tables(TEXTS), categories=st.booleans())
def test_parquet_comes_out_of_the_lake_as_it_went_in(sent, categories):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        written = sent
        if categories:
            written = sent.set_column(2, "text", sent["text"].dictionary_encode())
        pq.write_table(written, folder / "rows.parquet")
        config = pipeline(folder, "files", str(folder), "{day}", ', tables: {rows: "rows.parquet"}')
        check_equal(sent, through_the_lake(config, folder))


@examples(15)
@given(
    sent=tables(TEXTS.filter(lambda text: text not in ("", "NA", "NaN", "null", "NULL"))),
    separator=st.sampled_from(",;\t|"),
)
def test_a_csv_comes_out_of_the_lake_as_it_went_in(sent, separator):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        written = sent.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        written.to_csv(folder / "rows.csv", index=False, sep=separator)
        config = pipeline(folder, "files", str(folder), "{day}", ', tables: {rows: "rows.csv"}')
        check_equal(sent, through_the_lake(config, folder))


@examples(15)
@given(sent=tables(TEXTS))
def test_a_database_comes_out_of_the_lake_as_it_went_in(sent):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        url = f"sqlite:///{folder / 'rows.db'}"
        kinds = {"at": sa.DateTime, "real": sa.Float, "whole": sa.BigInteger, "truth": sa.Boolean}
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        table = sa.Table("rows", sa.MetaData(), *(sa.Column(name, kinds.get(name, sa.String)) for name in TYPES))
        table.create(engine)
        with engine.begin() as connection:
            connection.execute(
                table.insert(), [row | {"at": row["at"].replace(tzinfo=None)} for row in sent.to_pylist()]
            )
        config = pipeline(folder, "sql", url, "{day}")
        check_equal(sent, through_the_lake(config, folder))


@pytest.mark.parametrize("unit", ["", "$", "%", "EUR"])
@pytest.mark.parametrize("separators", [".", ",", ".,", ",.", ". ", ", ", ".'", ",'"])
@examples(5)
@given(numbers=st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=3), min_size=1, max_size=20))
def test_formatted_numbers_are_read_exactly(unit, separators, numbers):
    format_ = NumberFormat(decimal=separators[0], thousands=separators[1:], unit=unit)
    texts = [written(number, format_) for number in numbers]
    found = plain_numbers(pd.Series(texts, dtype=object), format_)
    assert [Decimal(each) for each in found] == numbers
    other = NumberFormat(decimal=separators[0], thousands=separators[1:], unit="¤")
    assert plain_numbers(pd.Series(texts, dtype=object), other).isna().all()


def written(number: Decimal, format_: NumberFormat) -> str:
    text = f"{number:,f}" if format_.thousands else f"{number:f}"
    swapped = text.translate({ord(","): format_.thousands, ord("."): format_.decimal})
    return f"{format_.unit}{swapped}" if format_.unit == "$" else f"{swapped} {format_.unit}".strip()
