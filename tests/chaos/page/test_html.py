import re

import pytest

from chaos.page.html import html_report
from chaos.verdict import Exit
from tests.chaos.outcomes import trial

CAUSES = {"causes": ("model_corrupt",), "expected_causes": ("model_corrupt",), "remedies": ("rollback",)}


def test_a_report_shows_counts_times_and_what_to_do_about_red_trials():
    trials = [trial(seconds=4.0, **CAUSES), trial(seconds=5.0, minute=1, **CAUSES)]
    red = trial(Exit.NOT_RECOVERED, minute=2, reason="service was not restored", expected_causes=("model_corrupt",))
    page = html_report([*trials, red])
    assert "2/3" in page
    assert "service was not restored" in page
    assert "No incident of model_corrupt was opened" in page
    assert page.count('class="ok" cx=') == 2
    assert page.count('class="never" cx=') == 1
    assert all(f">{step} " in page for step in ("t0", "t1", "t2", "t3", "t4", "t5"))


def test_a_report_needs_no_network_and_no_script():
    page = html_report([trial(seconds=4.0)])
    assert not re.search(r"https?://|<script|<link|url\(", page)


def test_what_was_pooled_is_said():
    page = html_report([trial(seconds=4.0), trial(seconds=4.0, revision="def", machine="64-cores-riscv", minute=1)])
    assert "Pooled over 2 machines" in page
    assert "2 revisions: abc, def" in page
    assert "Median time to recover per revision." in page


def test_ablations_are_apart_and_text_is_escaped():
    page = html_report(
        [
            trial(seconds=4.0),
            trial(Exit.NOT_RECOVERED, ablated="rollback", minute=1),
            trial(Exit.HARNESS_FAILED, minute=2, reason="<b>boom</b>"),
        ]
    )
    assert "With a remedy disabled" in page
    assert "<td>1/1</td>" not in page
    assert re.search(r'<td class="ok">1/1</td>', page)
    assert "&lt;b&gt;boom" in page


def test_a_home_without_trials_says_how_to_run_one():
    assert "autopilot drill run noop" in html_report([])


@pytest.mark.parametrize("fault", [True, False])
def test_a_green_drill_says_so(fault):
    page = html_report([trial(seconds=4.0 if fault else None, fault=fault)])
    assert ("Every trial recovered." if fault else "No trial opened an incident.") in page
