"""Labels joined to rows, and how complete and late they are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tasks.evaluation.labels import day_end, join_labels, label_delay, read_features
from tasks.lake.columns import KNOWN_AT, LABEL
from tests.toy import ROWS_PER_DAY, day_of, toy_labels, write_days

NEVER, LATER = datetime(2012, 12, 31, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)


@pytest.fixture
def source(tmp_path):
    write_days(tmp_path, 0, 3)
    return toy_labels(tmp_path)


@pytest.fixture
def rows(source):
    return read_features(source.lake_root, source.key, day_of(0), day_of(2))


def test_a_label_counts_once_it_is_known(source, rows):
    known = join_labels(rows, source, datetime(2013, 1, 2, 18, 0, 59, tzinfo=UTC))
    labelled = known[known[LABEL].notna()]
    assert len(labelled) == ROWS_PER_DAY + 60  # all of the first day, a minute of the second
    assert (labelled[KNOWN_AT] <= "2013-01-02T18:00:59Z").all()


def test_a_join_keeps_the_number_and_order_of_rows(source, rows):
    joined = join_labels(rows, source, LATER)
    assert list(joined["id"]) == list(rows["id"])
    assert set(joined[LABEL]) == {0.0, 1.0}


def test_no_label_is_known_before_the_first_day(source, rows):
    assert join_labels(rows, source, NEVER)[LABEL].isna().all()


def test_a_pinned_version_has_only_the_labels_of_its_time(source, rows):
    write_days(source.lake_root, 3, 1)
    later = read_features(source.lake_root, source.key, day_of(3), day_of(3))
    assert join_labels(later, source, LATER, version=2)[LABEL].isna().all()
    assert join_labels(later, source, LATER)[LABEL].notna().all()


def test_an_empty_frame_gets_the_label_columns(source, rows):
    assert list(join_labels(rows.iloc[:0], source, LATER).columns)[-2:] == [LABEL, KNOWN_AT]


def test_coverage_and_delay_are_stated(source, rows):
    delay = label_delay(join_labels(rows, source, day_end(day_of(1), source.zone)))
    assert delay.rows == 3 * ROWS_PER_DAY
    assert delay.coverage == pytest.approx(2 / 3)
    assert delay.median_hours == pytest.approx(3.0)


def test_a_day_ends_at_midnight_of_the_pipelines_own_zone(source):
    assert day_end(day_of(0), source.zone) - datetime(2013, 1, 2, 5, tzinfo=UTC) == timedelta(0)


def test_the_positive_class_is_one_and_all_others_zero(source, rows):
    as_they_are = join_labels(rows, source, LATER)[LABEL]
    the_other_way_round = join_labels(rows, replace(source, positive=0), LATER)[LABEL]
    assert (the_other_way_round == 1 - as_they_are).all()
