"""The page of a pipeline: complete, self-contained, and safe to show whatever the columns are called."""

import re
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest

from tasks.onboarding.draft import OnboardingRequest
from tasks.onboarding.onboard import onboard
from tasks.onboarding.page import write_completed_page, write_initial_page
from tasks.onboarding.profile import read_profile
from tasks.rollout.retrain_outcome import RetrainOutcome, RetrainResult
from tasks.training.comparison import Comparison, ComparisonOutcome
from tasks.training.held_out_summary import CalibrationCurve, CalibrationPoint, HeldOutSummary, SegmentLoss
from tests.orders import classified, write

HOSTILE = {
    "<script>alert(1)</script>": np.arange(1200) % 7 * 1.5,
    '"><img src=x onerror=alert(2)>': np.where(np.arange(1200) % 3 > 0, "<b>c&d</b>", "{{ 7*7 }}"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    data = write(classified(**HOSTILE), folder / "<i>orders.csv")
    result = onboard(OnboardingRequest("mine", data, "returned", "at", "id"), folder / "pipelines")
    return folder, result


class Tags(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attributes)

    def handle_data(self, text):
        self.text += text


def test_the_page_of_init_escapes_every_name_and_loads_nothing(hostile):
    folder, _ = hostile
    path = write_initial_page("mine", folder / "pipelines", folder / "reports")
    assert path == folder / "reports/mine/pipeline.html"
    page = path.read_text(encoding="utf-8")
    shown = Tags(page)
    assert shown.tags.isdisjoint({"script", "img", "b", "i", "link", "iframe"})
    assert shown.attributes.isdisjoint({"src", "href", "onerror"})
    assert not re.search(r"https?://|//[a-z]", page)
    for name in ("<script>alert(1)</script>", "<b>c&d</b>", "{{ 7*7 }}", "<i>orders.csv", "between "):
        assert name in shown.text
    assert "There is no model yet" in shown.text


def test_each_guess_names_the_line_that_holds_it(hostile):
    _, result = hostile
    for guess in result.guesses:
        file, number = guess.change.split(":")
        line = (result.folder / file).read_text(encoding="utf-8").splitlines()[int(number) - 1]
        name = guess.choice.partition(":")[0]
        wanted = {
            "key": "key: id",
            "label": "label:",
            "estimator": "def build_estimator",
            "days": "timezone:",
            "rows per day": "rows_min:",
            "windows": "lookback_days:",
            "few rows": "holdout_days:",
            "label known at": "event_time: at",
        }.get(guess.about, f"{name}: ")
        assert wanted in line, guess
    assert {guess.confidence for guess in result.guesses} == {"high", "medium", "low"}


def test_the_profile_is_read_back_as_it_was_written(hostile):
    _, result = hostile
    profile = read_profile(result.folder)
    assert profile.guesses == tuple(result.guesses)
    assert [each.column for each in profile.columns][-2:] == list(HOSTILE)
    assert all(sum(bar.share for bar in each.distribution.bars) == pytest.approx(1) for each in profile.columns)
    assert [each.rows > 0 for each in profile.power] == [True] * 3


@pytest.mark.parametrize("content", [b"", b"{}", b'{"file": 1}'])
def test_a_profile_of_another_version_is_left_out(tmp_path, content):
    (tmp_path / "profile.json").write_bytes(content)
    assert read_profile(tmp_path) is None


def outcome(names, predicted):
    points = tuple(CalibrationPoint(each, each, 100) for each in predicted)
    held_out = HeldOutSummary(
        measure="log-loss",
        rows=1000,
        loss=0.3,
        base_rate_loss=0.6,
        segments=(SegmentLoss("<u>kind", "x<y", 200, 0.7, 0.6, 0.01),),
        segments_compared=9,
        calibration=tuple(CalibrationCurve(name, points) for name in names),
    )
    day = date(2024, 1, 20)
    return RetrainOutcome(
        pipeline="mine",
        result=RetrainResult.NOT_BETTER,
        version="1.0.0",
        digest=None,
        model_sha256="0" * 64,
        trained_from=day,
        trained_until=day,
        until=day,
        comparisons=(Comparison("the base rate", ComparisonOutcome.WIN, 1000, 9, 0.3, 0.2, 0.4, "because"),),
        held_out=held_out,
    )


@pytest.mark.parametrize("names", [("",), ("<u>r", "g", "b")])
def test_bootstrap_completes_the_page_with_segments_and_calibration(hostile, names):
    folder, _ = hostile
    trained = outcome(names, [0.1, 0.5, 0.9])
    path = write_completed_page(trained, folder / "pipelines", folder / "reports", folder / "releases")
    page = path.read_text(encoding="utf-8")
    shown = Tags(page)
    assert "u" not in shown.tags
    for text in ("not better", "50 %", "+0.3000", "<u>kind", "x<y", "-0.1000", "columns", "What the tests can detect"):
        assert text in shown.text.replace("Columns", "columns")
    assert page.count("<polyline") == len(names)
    assert "There is no model yet" not in shown.text


def test_a_candidate_that_raises_on_held_out_rows_still_has_a_page(hostile):
    folder, _ = hostile
    trained = outcome((), ()).model_copy(update={"held_out": None})
    path = write_completed_page(trained, folder / "pipelines", folder / "reports", folder / "releases")
    shown = Tags(path.read_text(encoding="utf-8")).text
    assert "the base rate" in shown
    assert "Loss per segment" not in shown


def test_a_repeated_bootstrap_that_compares_nothing_keeps_the_page(hostile):
    folder, _ = hostile
    places = (folder / "pipelines", folder / "other", folder / "releases")
    trained = outcome(("",), [0.1, 0.9])
    page = write_completed_page(trained, *places)
    complete = page.read_bytes()
    again = trained.model_copy(update={"held_out": None, "comparisons": ()})
    assert write_completed_page(again, *places).read_bytes() == complete
