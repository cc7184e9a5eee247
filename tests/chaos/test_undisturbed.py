"""The lake of a drill is compared with that of an ingest without a fault, whatever the order of the rows."""

from datetime import date

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from chaos.lab import Lab
from chaos.undisturbed import FOLDER, differences
from tests.chaos.gateway_double import home_of

DAY, BEFORE = date(2013, 3, 1), date(2013, 2, 28)
ROWS = [("a", 1.0, DAY), ("b", None, DAY), ("c", 3.0, DAY), ("a", 9.0, BEFORE)]


def write(lake, table, rows):
    names = ("id", "x", "event_day")
    columns = [pa.array(list(values)) for values in zip(*rows, strict=True)]
    write_deltalake(str(lake / "flights" / table), pa.table(dict(zip(names, columns, strict=True))))


@pytest.fixture
def lab(tmp_path):
    """A lab whose undisturbed ingest has made two tables."""
    directory = tmp_path / "drill"
    for table in ("flights", "weather"):
        write(directory / FOLDER / "lake", table, ROWS[:3])
    return Lab.open(home_of(tmp_path / "home", "http://127.0.0.1:9"), "flights", directory)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (list(reversed(ROWS)), []),  # another order, and other days beside
        (ROWS[1:], ["flights: expected 3 rows, found 2"]),
        ([*ROWS, ROWS[0]], ["flights: expected 3 rows, found 4"]),
        ([("a", 2.0, DAY), *ROWS[1:]], ["flights: expected 3 rows, found 3 that are not the same"]),
    ],
    ids=["the same", "lost", "doubled", "changed"],
)
def test_a_lost_a_doubled_and_a_changed_row_are_found(lab, rows, found):
    write(lab.home / "lake", "flights", rows)
    write(lab.home / "lake", "weather", ROWS)
    assert [each.partition(" that")[0] for each in differences(lab, DAY)] == [
        each.partition(" that")[0] for each in found
    ]


def test_a_table_that_is_not_there_differs(lab):
    write(lab.home / "lake", "flights", ROWS)
    assert differences(lab, DAY) == ["weather: expected 3 rows, found 0 that are not the same"]


def test_without_an_undisturbed_ingest_nothing_differs(tmp_path):
    lab = Lab.open(home_of(tmp_path / "home", "http://127.0.0.1:9"), "flights", tmp_path / "drill")
    assert differences(lab, DAY) == []
