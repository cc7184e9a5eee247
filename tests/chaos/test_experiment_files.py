import pytest

from chaos.experiment_files import WrongUsage, experiments, find, planned_faults


def test_planned_faults_say_what_would_be_broken_and_for_how_long():
    assert planned_faults("healer-killed-mid-remedy") == [
        "file change=flip file=champion_model, undone after 240 s at most",
        "signal process=champion_worker signal=KILL, undone after 240 s at most",
        "signal process=leader signal=KILL once a remedy has started, undone after 240 s at most",
    ]
    assert planned_faults("noop") == []


def test_a_sampled_pair_is_found_by_its_seed_and_has_the_faults_of_two_drills():
    assert find("pair-7").text == find("pair-7").text
    assert len(planned_faults("pair-7")) >= 2
    assert len(planned_faults("liveness-7")) >= 4
    assert planned_faults("pair-7:2") == planned_faults("pair-7")[1:2]
    with pytest.raises(WrongUsage, match="expected faults from 1 to"):
        find("pair-7:99")


def test_the_experiment_of_an_earlier_trial_is_run_again_as_it_was(tmp_path):
    text = find("pair-7").text.replace("rate_per_second: 40.0", "rate_per_second: 41.0")
    (tmp_path / "experiment.yaml").write_text(text)
    found = find(str(tmp_path))
    assert (found.name, found.text) == ("pair-7", text)


def test_every_experiment_promises_its_own_name():
    assert [each.name for each in experiments()] == [each.spec.name for each in experiments()]
