import math
import re

from chaos.page.drawing import distribution, timeline, trend


def test_a_timeline_is_in_the_order_of_time():
    drawn = timeline([{"t0": (0, 0.0), "t2": (1, 2.0), "t5": (7, 8.0), "t1": None}])
    ticks = [float(x) for x in re.findall(r'class="tick" x1="([\d.]+)"', drawn)]
    assert ticks == sorted(ticks)
    assert len(ticks) == 3


def test_nothing_is_drawn_without_times():
    assert (
        timeline([])
        == timeline([{"t0": None}])
        == timeline([{"t0": (0, 0.0)}])
        == distribution([], 1.0)
        == trend([("abc", 3.0)])
        == ""
    )


def test_trials_that_never_recovered_are_counted_at_the_end():
    drawn = distribution([1.0, math.inf, math.inf], limit=4.0)
    assert "<title>2 never</title>" in drawn
    assert drawn.count('class="ok"') == 1


def test_a_trend_breaks_where_a_revision_did_not_recover():
    drawn = trend([("a", 1.0), ("b", None), ("c", 2.0), ("d", 3.0)])
    assert drawn.count('class="line"') == 1
    assert "b: did not recover" in drawn
