"""Rules of the contract beyond expectations: usual days, determined values, units, repairs, and its settings."""

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import yaml

from healing.errors import ConfigError
from healing.incident import Cause, Remedy
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.ingestion.sources import Batch
from tasks.ingestion.validate import validate_batches
from tasks.ingestion.validation.batch_history import BatchHistory, fingerprint
from tasks.ingestion.validation.validated_batch import ValidatedBatch

DAY = date(2013, 3, 4)
TABLE = {
    "role": "batch",
    "key": ["id"],
    "event_time": "at",
    "columns": {"id": "string", "at": "timestamp", "kind": "string", "x": "double", "y": "double", "n": "long"},
    "required": ["kind", "x"],
    "reference": "reference.json",
}
REFERENCE = {
    "since": "2013-01-01",
    "until": "2013-01-31",
    "rows": 1000,
    "numbers": {
        "x": {"median": 10.0, "scale": 10.0, "null_share_max": 0.0},
        "y": {"median": 4.0, "scale": 4.0, "null_share_max": 0.1},
        "n": {"median": 7.0, "scale": 7.0, "null_share_max": 0.0},
    },
    "texts": {"kind": {"mode": "a", "categories": ["a", "b"], "null_share_max": 0.0}},
    "determined": {"x": {"a": 10.0, "b": 20.0}},
}


@pytest.fixture
def pipeline(tmp_path):
    """Writes a pipeline with changes to its table and its contract, and loads it."""

    def write(table: dict[str, object] | None = None, repairs: object = ()) -> Pipeline:
        folder = tmp_path / "p"
        folder.mkdir(exist_ok=True)
        document = {
            "name": "p",
            "timezone": "America/New_York",
            "sources": [{"name": "only", "kind": "http", "url": "http://127.0.0.1:9"}],
            "tables": {"rows": {**TABLE, **(table or {})}},
            "contract": {"repairs": list(repairs) if isinstance(repairs, tuple) else repairs},
            "key": "id",
            "features": ".nothing:build",
            "estimator": ".nothing:build",
            "label": {"table": "rows", "column": "n", "known_at": "at"},
        }
        (folder / "pipeline.yaml").write_text(yaml.safe_dump(document))
        (folder / "reference.json").write_text(json.dumps(REFERENCE))
        return load_pipeline("p", tmp_path)

    return write


def rows(count: int = 40, day: date = DAY, **changes: object) -> pd.DataFrame:
    """Good rows as text, every hour of the day from 6 to 21 in New York."""
    frame = pd.DataFrame(
        {
            "id": [f"r{number}" for number in range(count)],
            "at": [f"{day}T{6 + number % 16:02}:30:00-05:00" for number in range(count)],
            "kind": "a",
            "x": "10.0",
            "y": [str(number) for number in range(count)],
            "n": "7",
        },
        dtype=object,
    )
    return frame.assign(**changes)


def validate(
    config: Pipeline, frame: pd.DataFrame, day: date = DAY, history: BatchHistory | None = None
) -> ValidatedBatch:
    [validated] = validate_batches(config, "rows", [batch(frame, day)], history)
    return validated


def batch(frame: pd.DataFrame, day: date) -> Batch:
    return Batch("rows", day, "only", b"", pa.Table.from_pandas(frame, preserve_index=False))


def found(validated: ValidatedBatch) -> list[tuple[Cause, Remedy]]:
    return [(finding.cause, finding.remedy) for finding in validated.findings]


def some(values: list[str | None], rest: str, count: int = 40) -> list[str | None]:
    return [*values, *[rest] * (count - len(values))]


# Repairs


def test_values_in_another_notation_are_cast_where_they_have_one_meaning(pipeline):
    odd = rows(x=some(["1,234.5", " 10 ", "1,5", "10 mi"], "10.0"), n=some(["true", "7.0", "7.5"], "7"))
    validated = validate(pipeline(repairs=("cast",)), odd)
    assert validated.good.to_pandas().set_index("id")["x"]["r0"] == 1234.5
    assert {place: set(reason.split("; ")) for place, reason in validated.bad.items()} == {
        2: {"x is not a double", "n is not a long"},
        3: {"x is not a double"},
    }
    assert set(validated.repairs) == {"cast x to double in 1 row", "cast n to long in 1 row"}


def test_instants_in_seconds_or_milliseconds_since_1970_are_cast(pipeline):
    at = pd.Timestamp(f"{DAY}T12:00:00-05:00").timestamp()
    validated = validate(pipeline(repairs=("cast",)), rows(at=some([f"{at:.0f}", f"{at * 1000:.0f}"], f"{DAY}T17:00Z")))
    assert set(validated.good["at"].to_pylist()) == {pd.Timestamp(f"{DAY}T17:00Z")}


@pytest.mark.parametrize("repair", ["cast", "convert", "impute"])
def test_only_listed_repairs_are_made(pipeline, repair):
    table = {"units": {"y": {"thousandths": 1000}}, "impute": ["x"]}
    odd = rows(x=some([None, "1,234.0"], "10.0"), y="4000")
    others = tuple({"cast", "convert", "impute"} - {repair})
    kept = {"cast": "cast x", "convert": "converted y", "impute": "imputed x"}
    assert not any(kept[repair] in said for said in validate(pipeline(table, others), odd).repairs)
    assert any(kept[repair] in said for said in validate(pipeline(table, (repair,)), odd).repairs)


def test_a_repair_above_its_share_leaves_the_batch_unchanged(pipeline):
    config = pipeline({"impute": ["x"]}, {"impute": 0.05})
    assert validate(config, rows(x=some([None] * 2, "10.0"))).repairs == ("imputed x with the median 10.0 in 2 rows",)
    refused = validate(config, rows(x=some([None] * 3, "10.0")))
    assert (refused.repairs, len(refused.bad)) == ((), 3)
    assert found(refused) == [(Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH)]


def test_a_missing_value_is_imputed_from_the_columns_that_determine_it(pipeline):
    config = pipeline({"impute": ["x", "kind"], "determined": {"x": ["kind"]}}, ("impute",))
    validated = validate(config, rows(kind=some(["b", None], "a"), x=some([None], "10.0")))
    by_id = validated.good.to_pandas().set_index("id")
    assert (by_id["x"]["r0"], by_id["kind"]["r1"]) == (20.0, "a")
    assert validated.repairs == ("imputed x by kind in 1 row", "imputed kind with the mode a in 1 row")


def test_a_whole_column_in_another_unit_is_converted(pipeline):
    config = pipeline({"units": {"x": {"kilometres": 1.609344, "metres": 1609.344}}}, ("convert",))
    validated = validate(config, rows(x="16093.44"))
    assert validated.good["x"].to_pylist() == pytest.approx([10.0] * 40)
    assert validated.repairs == ("converted x from metres (divided by 1609.34) in 40 rows",)
    assert found(validated) == [(Cause.BAD_ROWS, Remedy.REPAIR_BATCH)]


def test_large_but_determined_values_are_not_taken_for_another_unit(pipeline):
    table = {"units": {"x": {"double": 2.0}}, "determined": {"x": ["kind"]}}
    validated = validate(pipeline(table, ("convert",)), rows(kind="b", x="20.0"))
    assert (validated.repairs, validated.findings, validated.good.num_rows) == ((), (), 40)


# Rows


def test_a_value_must_match_the_determined_one_and_new_combinations_pass(pipeline):
    config = pipeline({"determined": {"x": ["kind"]}})
    validated = validate(config, rows(kind=some(["b", "c"], "a"), x=some(["10.0", "99.0"], "10.05")))
    assert validated.bad == {0: "determined: x does not match kind"}


def test_a_composed_text_must_agree_with_its_columns(pipeline):
    config = pipeline({"composed": {"id": "{at:%Y%m%d}-{kind}-{n}"}})
    good = rows(id=[f"{DAY:%Y%m%d}-a-{number}" for number in range(40)], n=[str(number) for number in range(40)])
    assert validate(config, good).bad == {}
    wrong = good.assign(kind=some(["b"], "a"), n=["0", "99", *good["n"][2:]])
    assert set(validate(config, wrong).bad) == {0, 1}
    unknown = validate(config, good.assign(at=some([None], f"{DAY}T17:00Z"))).bad
    assert unknown == {0: "at is missing"}  # without a time, the composed text is unknown


def test_a_day_ends_at_the_pipelines_midnight(pipeline):
    edges = [f"{DAY}T05:00:00Z", f"{DAY}T04:59:59Z", f"{DAY + timedelta(days=1)}T04:59:59Z"]
    validated = validate(pipeline(), rows(at=[*edges, *rows()["at"][3:]]))
    assert validated.bad == {1: "late: at is before the batch's day"}


def test_an_instant_without_a_zone_among_others_is_bad_and_alone_is_utc(pipeline):
    mixed = validate(
        pipeline(), rows(at=some([f"{DAY}T17:00:00", f"{DAY} 17:00", f"{DAY}T12:00-05"], f"{DAY}T17:00:00Z"))
    )
    assert mixed.bad == dict.fromkeys((0, 1), "time zone: at has none, other rows have one")
    assert validate(pipeline(), rows(at=f"{DAY}T17:00:00")).bad == {}


def test_an_unseen_category_is_reported_and_many_of_them_are_bad_rows(pipeline):
    few = validate(pipeline(), rows(kind=some(["c"], "a")))
    assert (few.bad, few.findings) == ({}, ())
    assert [check.failed for check in few.checks if check.name == "unseen category: kind"] == [1]
    many = validate(pipeline(), rows(kind=some(["c"] * 4, "a")))
    assert set(many.bad) == {0, 1, 2, 3}
    assert found(many) == [(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH)]


def test_repeated_rows_are_dropped_and_many_are_an_incident(pipeline):
    twice = pd.concat([rows(), rows().head(10)], ignore_index=True)
    validated = validate(pipeline(repairs=("drop_duplicates",)), twice)
    assert (validated.bad, found(validated)) == ({}, [(Cause.DUPLICATE_DATA, Remedy.REPAIR_BATCH)])
    kept = validate(pipeline(repairs=()), twice)
    assert set(kept.bad.values()) == {"duplicate: id is repeated"}


# Days


def test_a_batch_of_another_day_is_stale_data(pipeline):
    validated = validate(pipeline(), rows(day=DAY - timedelta(days=7)))
    assert found(validated) == [(Cause.STALE_DATA, Remedy.QUARANTINE_BATCH)]
    assert validated.rejected == "at: expected rows of 2013-03-04, found 40 of 40 of 2013-02-25"


def test_a_copy_of_another_day_with_new_keys_and_times_is_stale_data(pipeline):
    config = pipeline({"distinct_days": True})
    before = validate(config, rows(day=DAY - timedelta(days=1)), DAY - timedelta(days=1)).good.to_pandas()
    history = BatchHistory({}, {DAY - timedelta(days=1): fingerprint(config.tables["rows"], before)})
    again = rows(id=[f"new{number}" for number in range(40)])
    assert found(validate(config, again, history=history)) == [(Cause.STALE_DATA, Remedy.QUARANTINE_BATCH)]
    assert validate(config, again.assign(y="1"), history=history).rejected is None
    assert (
        validate(config, again, history=BatchHistory({}, {DAY: history.fingerprints[DAY - timedelta(days=1)]})).rejected
        is None
    )


@pytest.mark.parametrize(("received", "rejected"), [(40, False), (24, False), (23, True), (81, True)])
def test_the_row_count_is_compared_with_the_same_weekday(pipeline, received, rejected):
    history = BatchHistory({DAY - timedelta(weeks=week): 40 for week in (1, 2)})
    validated = validate(pipeline({"volume": {"share_min": 0.6}}), rows(received), history=history)
    assert (validated.rejected is not None) is rejected
    assert not rejected or found(validated) == [(Cause.VOLUME_ANOMALY, Remedy.QUARANTINE_BATCH)]


def test_one_earlier_weekday_is_too_few_for_the_row_count(pipeline):
    history = BatchHistory({DAY - timedelta(weeks=1): 4000, DAY - timedelta(days=1): 4000})
    assert validate(pipeline({"volume": {"share_min": 0.6}}), rows(), history=history).rejected is None


@pytest.mark.parametrize(
    ("covers", "reason"),
    [
        ({"since": "06:00"}, "expected rows from 06:00 on, found the first at 06:30"),
        ({"until": "22:00"}, "expected rows until 22:00, found the last at 21:30"),
        ({"each": {"kind": ["a", "b"]}}, "expected rows of every kind, found none of b"),
        ({"since": "06:30", "until": "21:30", "each": {"kind": ["a"]}}, None),
    ],
)
def test_gaps_in_the_coverage_of_a_day_reject_the_batch(pipeline, covers, reason):
    assert validate(pipeline({"covers": covers}), rows()).rejected == reason


def test_an_accepted_batch_is_history_for_those_that_follow(pipeline):
    config = pipeline({"volume": {"share_min": 0.6}})
    weeks = [DAY + timedelta(weeks=week) for week in range(3)]
    batches = [
        batch(rows(40 if place < 2 else 20, day).assign(at=f"{day}T17:00Z"), day) for place, day in enumerate(weeks)
    ]
    assert [validated.rejected is None for validated in validate_batches(config, "rows", batches)] == [
        True,
        True,
        False,
    ]


# Shares


def test_a_dropped_optional_column_rejects_and_one_with_a_gap_is_an_incident(pipeline):
    gone = validate(pipeline(), rows(y=None))
    assert (found(gone), gone.good.num_rows) == ([(Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH)], 0)
    thin = validate(pipeline(), rows(y=some([None] * 12, "4.0")))
    assert (found(thin), thin.good.num_rows) == ([(Cause.NULL_SPIKE, Remedy.WAIT)], 40)
    usual = validate(pipeline(), rows(y=some([None] * 6, "4.0")))
    assert found(usual) == []


def test_a_batch_with_mostly_bad_rows_is_rejected(pipeline):
    half = validate(pipeline(), rows(x=some(["far"] * 20, "10.0")))
    assert (half.rejected, half.good.num_rows) == (None, 20)
    more = validate(pipeline(), rows(x=some(["far"] * 21, "10.0")))
    assert found(more) == [(Cause.SCHEMA_BREAK, Remedy.QUARANTINE_BATCH)]
    assert more.good.num_rows == 0


def test_a_batch_has_one_incident_per_cause(pipeline):
    table = {"units": {"y": {"thousandths": 1000}}}
    odd = rows(y="4000", kind=some(["c"] * 4, "a"))
    assert found(validate(pipeline(table, ("convert",)), odd)) == [(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH)]


# Rules that are refused


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"units": {"x": {"miles": 1.1}}}, "expected a factor that differs from 1"),
        ({"units": {"kind": {"miles": 2}}}, "'kind' is a string"),
        ({"impute": ["x"], "reference": None}, "impute needs reference"),
        ({"composed": {"id": "{nothing}"}}, "composed names column 'nothing'"),
        ({"reference": "none.json"}, "names 'none.json', which is not in"),
        ({"domains": {"kind": "none.txt"}}, "names 'none.txt', which is not in"),
    ],
)
def test_invalid_rules_are_refused_at_load(pipeline, table, message):
    with pytest.raises(ConfigError, match=message):
        pipeline(table)


def test_a_value_outside_of_a_closed_list_is_bad(pipeline, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p/kinds.txt").write_text("a\nb\n")
    validated = validate(pipeline({"domains": {"kind": "kinds.txt"}}), rows(kind=some(["c"], "a")))
    assert validated.bad == {0: "domain: kind is not in the list"}


def test_the_bundled_reference_knows_every_route_of_its_days():
    from tasks.ingestion.validation.reference import read_reference

    found = read_reference(Path("pipelines/flights/reference.flights.json"))
    assert found.determined["distance"]["EWR|IAH"] == 1400.0
    assert found.typical("carrier") == "UA"


# Settings of the contract


def with_contract(config: Pipeline, **changes: float) -> Pipeline:
    changed = config.model_copy(update={"contract": config.contract.model_copy(update=changes)})
    changed._folder = config.folder
    return changed


@pytest.mark.parametrize(
    ("changes", "missing", "expected"),
    [
        ({}, 12, [(Cause.NULL_SPIKE, Remedy.WAIT)]),
        ({"gap_null_share": 0.3}, 12, []),
        ({"gap_ratio": 4}, 12, []),
        ({"share_rows_min": 41}, 12, []),
        ({"dropped_null_share": 0.25}, 12, [(Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH)]),
        ({}, 40, [(Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH)]),
        ({"sparse_null_share": 0.05}, 40, [(Cause.NULL_SPIKE, Remedy.WAIT)]),
    ],
)
def test_limits_for_missing_values_of_an_optional_column_are_settings(pipeline, changes, missing, expected):
    config = with_contract(pipeline(), **changes)
    assert found(validate(config, rows(y=some([None] * missing, "4.0")))) == expected


def test_the_tolerance_for_a_determined_value_is_a_setting(pipeline):
    config = pipeline({"determined": {"x": ["kind"]}})
    off_by_two_percent = rows(x=some(["10.2"], "10.0"))
    assert set(validate(config, off_by_two_percent).bad) == {0}
    assert validate(with_contract(config, determined_tolerance=0.03), off_by_two_percent).bad == {}


def test_the_least_number_of_values_for_a_conversion_is_a_setting(pipeline):
    config = pipeline({"units": {"x": {"metres": 1609.344}}}, ("convert",))
    assert validate(with_contract(config, convert_rows_min=41), rows(x="16093.44")).repairs == ()
    assert validate(with_contract(config, convert_rows_min=40), rows(x="16093.44")).repairs != ()
