"""Validation of rows that are written here, without a source or a store."""

import io
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healing.incident import Cause, Remedy
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.table import Coverage
from tasks.ingestion.sources import Batch
from tasks.ingestion.validate import validate_batches
from tasks.ingestion.validation.validated_batch import ValidatedBatch
from tests.examples import examples

DAY, NEXT = date(2013, 3, 4), date(2013, 3, 5)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """Flights, without the limits for the size of a day: these batches are small."""
    flights = load_pipeline("flights", Path("pipelines"))
    small = flights.tables["flights"].model_copy(update={"rows_min": 1, "covers": Coverage()})
    loaded = flights.model_copy(update={"tables": {**flights.tables, "flights": small}})
    loaded._folder = flights.folder
    return loaded


def flights(day: date = DAY, rows: int = 40, **changes: list[str | None] | str) -> Batch:
    """A day's schedule as text; `changes` replace whole columns."""
    frame = pd.DataFrame(
        {
            "flight_id": [f"{day}-UA-{number}-EWR" for number in range(1, rows + 1)],
            "carrier": "UA",
            "flight": [str(number) for number in range(1, rows + 1)],
            "origin": "EWR",
            "dest": "IAH",
            "distance": "1400",
            "sched_dep_at": f"{day}T15:00:00Z",
            "sched_arr_at": f"{day}T19:00:00Z",
        },
        dtype=object,
    ).assign(**changes)
    return as_batch("flights", day, frame)


def as_batch(table: str, day: date, frame: pd.DataFrame) -> Batch:
    content = frame.to_csv(index=False).encode()
    rows = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, na_values=[""])
    return Batch(table, day, "primary", content, pa.Table.from_pandas(rows, preserve_index=False))


def first(values: list[str | None], rest: str, rows: int = 40) -> list[str | None]:
    """A column that begins with `values`."""
    return [*values, *[rest] * (rows - len(values))]


def causes(validated: ValidatedBatch) -> list[tuple[Cause, Remedy]]:
    return [(finding.cause, finding.remedy) for finding in validated.findings]


def test_all_rows_of_a_clean_batch_are_accepted_in_their_types(pipeline):
    [validated] = validate_batches(pipeline, "flights", [flights()])
    assert (validated.good.num_rows, validated.bad, validated.findings, validated.rejected) == (40, {}, (), None)
    assert validated.good.schema.field("sched_dep_at").type == pa.timestamp("us", tz="UTC")
    assert set(validated.good["event_day"].to_pylist()) == {DAY}


def test_column_order_and_unknown_columns_do_not_matter(pipeline):
    batch = flights(gate="A1")
    shuffled = as_batch("flights", DAY, batch.rows[list(reversed(batch.rows.columns))])
    [validated] = validate_batches(pipeline, "flights", [shuffled])
    assert (validated.good.num_rows, validated.findings) == (40, ())


def test_renamed_columns_get_their_right_name_where_the_contract_lists_the_wrong_one(pipeline):
    frame = flights().rows.rename(columns={"carrier": "airline", "distance": "miles"})
    [validated] = validate_batches(pipeline, "flights", [as_batch("flights", DAY, frame)])
    assert validated.good.num_rows == 40
    assert validated.repairs == ("renamed airline to carrier", "renamed miles to distance")
    assert causes(validated) == [(Cause.SCHEMA_BREAK, Remedy.REPAIR_BATCH)]


def test_a_missing_column_rejects_its_batch_only(pipeline):
    broken = as_batch("flights", DAY, flights().rows.rename(columns={"carrier": "x"}))
    validated, other = validate_batches(pipeline, "flights", [broken, flights(NEXT)])
    assert validated.rejected == "columns: missing carrier; unknown x"
    assert (validated.good.num_rows, len(validated.bad)) == (0, 40)
    assert causes(validated) == [(Cause.SCHEMA_BREAK, Remedy.QUARANTINE_BATCH)]
    assert other.good.num_rows == 40


def test_two_candidates_for_one_column_are_not_renamed(pipeline):
    frame = flights().rows.rename(columns={"carrier": "airline"}).assign(carrier_code="AA")
    [validated] = validate_batches(pipeline, "flights", [as_batch("flights", DAY, frame)])
    assert validated.rejected is not None


def test_a_few_missing_values_are_bad_rows_and_not_an_incident(pipeline):
    [validated] = validate_batches(pipeline, "flights", [flights(dest=first([None], "IAH"))])
    assert validated.good.num_rows == 39
    assert validated.bad[0].startswith("dest is missing")
    assert validated.findings == ()


def test_many_missing_values_are_a_null_spike_of_their_batch_only(pipeline):
    spiked = flights(distance=first([None] * 3, "1400"))
    validated, other = validate_batches(pipeline, "flights", [spiked, flights(NEXT)])
    assert causes(validated) == [(Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH)]
    assert (validated.good.num_rows, len(validated.bad)) == (37, 3)
    assert (other.good.num_rows, other.findings) == (40, ())


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("distance", "far", "distance is not a double"),
        ("flight", "1.5", "flight is not a long"),
        ("sched_arr_at", "soon", "sched_arr_at is not a timestamp"),
        ("distance", "1400000", "expect_column_values_to_be_between(distance)"),
        ("dest", "Houston", "expect_column_values_to_match_regex(dest)"),
        ("sched_dep_at", "2013-03-06T15:00:00Z", "future-dated: sched_dep_at is after the batch's day"),
        ("sched_arr_at", "2013-03-04T14:00:00Z", "expect_column_pair_values_a_to_be_greater_than_b"),
    ],
)
def test_an_invalid_row_is_bad_and_has_a_reason(pipeline, column, value, reason):
    [validated] = validate_batches(
        pipeline, "flights", [flights(**{column: [value, *flights().rows[column].iloc[1:]]})]
    )
    assert validated.good.num_rows == 39
    assert reason in validated.bad[0]


def test_a_critical_expectation_rejects_its_batch_only(pipeline):
    validated, other = validate_batches(pipeline, "flights", [flights(origin=first(["CDG"] * 3, "EWR")), flights(NEXT)])
    assert validated.rejected == "critical: expect_column_values_to_be_in_set(origin)"
    assert causes(validated) == [(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH)]
    assert other.rejected is None


def test_a_batch_with_too_few_rows_is_rejected():
    [validated] = validate_batches(load_pipeline("flights", Path("pipelines")), "flights", [flights(rows=40)])
    assert validated.rejected == "expected at least 300 rows, found 40"
    assert causes(validated) == [(Cause.VOLUME_ANOMALY, Remedy.QUARANTINE_BATCH)]


def test_an_empty_batch_of_a_table_that_may_be_empty_is_accepted(pipeline):
    empty = as_batch("weather", DAY, pd.DataFrame(columns=list(pipeline.tables["weather"].columns)))
    [validated] = validate_batches(pipeline, "weather", [empty])
    assert (validated.good.num_rows, validated.rejected, validated.findings) == (0, None, ())


_TEXT = st.sampled_from(["EWR", "JFK", "IAH", "", "1", "1e400", "-1", "2013-03-04T15:00:00Z", "nan", "é", "x" * 500])


@examples(10)
@given(data=st.data(), rows=st.integers(1, 12))
def test_every_row_is_good_or_bad_and_no_good_row_breaks_the_contract(pipeline, data, rows):
    columns = data.draw(st.lists(st.sampled_from(list(pipeline.tables["flights"].columns)), max_size=3, unique=True))
    changes = {name: data.draw(st.lists(_TEXT, min_size=rows, max_size=rows)) for name in columns}
    [validated] = validate_batches(pipeline, "flights", [flights(rows=rows, **changes)])
    assert validated.good.num_rows + len(validated.bad) == validated.received
    for name in pipeline.tables["flights"].needed:
        assert validated.good[name].null_count == 0
    assert set(validated.good["origin"].to_pylist()) <= {"EWR", "JFK", "LGA"}
