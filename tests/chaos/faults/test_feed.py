"""Spoiled batches and labels of the bundled source, as its clients get them."""

import httpx
import pytest

from chaos.actions.advance_clock import advance_clock
from chaos.faults import absent_batch, feed, labels
from chaos.lab import Lab
from tests.chaos.gateway_double import home_of
from tests.feeds import feed_serving

DAY = "2013-03-01"


@pytest.fixture
def lab(tmp_path):
    """A stack whose feed has just reached the day."""
    with feed_serving(tmp_path / "feed", faulty=True) as primary, feed_serving(tmp_path / "feed") as mirror:
        httpx.get(f"{mirror}/health", timeout=120, trust_env=False).raise_for_status()  # the year is read once
        home = home_of(tmp_path / "home", "http://127.0.0.1:9", feed=primary, mirror=mirror)
        directory = home / "drills" / "one"
        directory.mkdir(parents=True)
        configuration = {"home": str(home), "pipeline": "flights", "drill_dir": str(directory)}
        assert advance_clock(configuration) == DAY
        yield Lab.of(configuration)


def delivered(url, table):
    return httpx.get(f"{url}/{table}/{DAY}.csv", trust_env=False).text


@pytest.mark.parametrize(
    "how",
    [
        {"change": "rename", "column": "carrier", "to": "cx"},
        {"change": "scale", "column": "distance", "factor": 1000},
        {"change": "error_page"},
        {"change": "replay"},
    ],
    ids=lambda how: how["change"],
)
def test_a_client_of_the_primary_gets_the_spoiled_batch_until_the_undo(lab, how):
    right = delivered(lab.mirror, "flights")
    fault = feed.prepare(lab, table="flights", **how)
    assert not fault.active()
    fault.inject()
    assert fault.active()
    assert delivered(lab.feed, "flights") != right
    assert delivered(lab.mirror, "flights") == right
    fault.undo()
    fault.undo()
    assert not fault.active()
    assert delivered(lab.feed, "flights") == right


def test_two_spoiled_batches_are_undone_one_by_one(lab):
    first, other = feed.prepare(lab, "flights", "empty"), feed.prepare(lab, "weather", "error_page")
    first.inject()
    other.inject()
    first.undo()
    assert (first.active(), other.active()) == (False, True)
    other.undo()


def test_a_late_batch_is_not_there_until_the_undo_and_the_mirror_has_it(lab):
    spoiled, late = feed.prepare(lab, "flights", "empty"), absent_batch.prepare(lab, "weather")
    spoiled.inject()
    assert not late.active()
    late.inject()
    assert (late.active(), spoiled.active()) == (True, True)
    assert httpx.get(f"{lab.mirror}/weather/{DAY}.csv", trust_env=False).is_success
    late.undo()
    late.undo()
    assert (late.active(), spoiled.active()) == (False, True)


@pytest.mark.parametrize("change", ["late", "biased", "poisoned", "wrong_unit"])
def test_labels_are_spoiled_until_the_undo(lab, change):
    right = delivered(lab.mirror, "outcomes")
    fault = labels.prepare(lab, change, share=0.5, factor=60)
    fault.inject()
    assert fault.active()
    found = delivered(lab.feed, "outcomes").splitlines()
    rows = len(right.splitlines()) - 1
    expected = {"late": 0, "biased": rows / 2, "poisoned": rows, "wrong_unit": rows}[change]
    assert len(found) - 1 == pytest.approx(expected, abs=1)
    fault.undo()
    assert delivered(lab.feed, "outcomes") == right


def test_what_changes_nothing_is_no_fault(lab):
    with pytest.raises(ValueError, match="found the same rows"):
        feed.prepare(lab, "flights", "rename", column="carrier", to="carrier")
    with pytest.raises(LookupError, match="late, biased, poisoned, wrong_unit, found 'lost'"):
        labels.prepare(lab, "lost")
