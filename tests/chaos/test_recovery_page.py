from chaos.compose.drill import read_catalogue
from chaos.gate import Baseline, DrillBaseline
from chaos.recovery_page import PAGE, read_baselines, recovery_page


def test_the_committed_page_is_the_rendered_one():
    assert PAGE.read_text() == recovery_page(read_baselines(), read_catalogue())


def test_a_row_says_how_many_recovered_and_how_fast_and_the_rest_is_listed_as_not_measured():
    drill = DrillBaseline(trials=4, recovered=3, recover_seconds=(1.0, 2.0, 3.0, None))
    baseline = Baseline(machine="2-cores-x86_64", revision="abc", drills={"model-corruption": drill})
    page = recovery_page([baseline], read_catalogue())
    assert "| `model-corruption` | 3/4 | 25% | 2.0 (1.0 to never) | never | never |" in page
    assert "`source-outage` (data)" in page


def test_a_drill_that_no_client_noticed_has_no_times():
    drill = DrillBaseline(trials=3, recovered=3)
    page = recovery_page([Baseline(machine="m", revision="abc", drills={"noop": drill})], read_catalogue())
    assert "| `noop` | 3/3 | 37% | | | |" in page
