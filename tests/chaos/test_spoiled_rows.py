import csv
import io

import pytest

from chaos.spoiled_rows import CHANGES, ERROR_PAGE, SpoilOrder, spoil

CONTENT = b"id,x,place\n" + b"".join(f"{number},{number * 1.5},P{number}\n".encode() for number in range(20))


def rows(change, **how):
    return list(csv.DictReader(io.StringIO(spoil(CONTENT, SpoilOrder(change, **how)).decode())))


RIGHT = list(csv.DictReader(io.StringIO(CONTENT.decode())))


def test_columns_are_renamed_dropped_or_in_another_order():
    assert list(rows("rename", column="x", to="y")[0]) == ["id", "y", "place"]
    assert [row["y"] for row in rows("rename", column="x", to="y")] == [row["x"] for row in RIGHT]
    assert list(rows("drop", column="x")[0]) == ["id", "place"]
    assert list(rows("reorder")[0]) == ["place", "x", "id"]
    assert rows("reorder") == RIGHT


@pytest.mark.parametrize(("change", "how"), [("null", {}), ("retype", {}), ("scale", {"factor": 10})])
def test_a_share_of_the_values_of_one_column_is_spoiled(change, how):
    spoiled = rows(change, column="x", share=0.25, seed=3, **how)
    changed = [after for before, after in zip(RIGHT, spoiled, strict=True) if before != after]
    assert len(changed) in (4, 5)  # a zero is the same in every unit
    assert [{**row, "x": ""} for row in spoiled] == [{**row, "x": ""} for row in RIGHT]


def test_shuffled_values_all_exist_in_other_rows():
    shuffled = rows("shuffle", column="place")
    assert sorted(row["place"] for row in shuffled) == sorted(row["place"] for row in RIGHT)
    assert shuffled != RIGHT


def test_a_postponed_batch_has_every_date_later_and_nothing_else_changed():
    content = b"id,at,x\n2013-02-28-UA,2013-02-28T23:00:00Z,1\n"
    order = SpoilOrder("postpone", days=1)
    assert spoil(content, order) == b"id,at,x\n2013-03-01-UA,2013-03-01T23:00:00Z,1\n"
    assert rows("postpone", days=1) == RIGHT  # without dates, nothing changes


def test_rows_are_cut_off_repeated_removed_or_chosen_by_value():
    assert rows("truncate", share=0.25) == RIGHT[:15]
    assert len(rows("duplicate", share=0.25)) == 25
    assert rows("empty") == []
    assert rows("lowest", column="x", share=0.5) == RIGHT[:10]


def test_an_error_page_is_no_table():
    assert spoil(CONTENT, SpoilOrder(ERROR_PAGE)).startswith(b"<!DOCTYPE html>")


def test_the_same_seed_spoils_the_same_rows_and_another_one_others():
    order = SpoilOrder("null", "x", share=0.25, seed=1)
    assert spoil(CONTENT, order) == spoil(CONTENT, order)
    assert spoil(CONTENT, order) != spoil(CONTENT, SpoilOrder("null", "x", share=0.25, seed=2))


def test_an_unknown_change_or_column_names_those_there_are():
    with pytest.raises(LookupError, match=f"rename, .*, {ERROR_PAGE}, found 'melt'"):
        spoil(CONTENT, SpoilOrder("melt"))
    for change in CHANGES:
        with pytest.raises(LookupError, match="among id, x, place, found 'z'"):
            spoil(CONTENT, SpoilOrder(change, "z"))
