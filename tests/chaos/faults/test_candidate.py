import pytest

from chaos.faults.candidate import prepare
from chaos.lab import Lab
from chaos.reference_answers import ReferenceAnswers
from healing.release import Reason
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from tests.chaos.gateway_double import gateway_double, home_of
from tests.published import PIPELINE, bootstrap, publish_tiny_model, tiny_rows


@pytest.fixture
def lab(tmp_path):
    with gateway_double() as (double, url):
        home = home_of(tmp_path / "home", url)
        root = home / "releases" / PIPELINE
        model = publish_tiny_model(root, ensure_keys(home / "keys"), golden_rows=tiny_rows(8))
        bootstrap(root, model)
        double.champion = model.digest
        directory = home / "drills" / "one"
        directory.mkdir(parents=True)
        yield Lab.open(home, PIPELINE, directory), ReleaseLog(root), double


def test_a_challenger_is_on_trial_until_the_undo_aborts_it(lab):
    lab, log, double = lab
    fault = prepare(lab, variant="nan", weight=0.25)
    assert not fault.active()
    fault.inject()
    trial = log.current().challenger
    assert (trial.model.digest, trial.weight) == (fault.digest, 0.25)
    major_minor = log.current().champion.version.rpartition(".")[0]
    assert trial.model.version.rpartition(".")[0] == major_minor  # another major version would wait for an approval
    double.generation = log.current().generation
    assert fault.active()
    fault.undo()
    fault.undo()
    assert [each.reason for each in log.history()] == [Reason.BOOTSTRAP, Reason.CANARY, Reason.ABORT]
    assert log.current().challenger is None


def test_a_bad_champion_is_promoted_and_the_undo_returns_to_the_one_before(lab):
    lab, log, double = lab
    before = log.current().champion
    fault = prepare(lab, variant="constant", role="champion")
    fault.inject()
    assert log.current().champion.digest == fault.digest
    assert log.current().fallbacks == (before,)
    double.generation = log.current().generation
    assert fault.active()
    fault.undo()
    fault.undo()
    assert log.current().champion == before
    assert log.current().reason is Reason.RETURN
    assert log.current().fallbacks == ()  # the bad model is not kept warm


def test_what_the_system_has_healed_is_not_undone_again(lab):
    lab, log, _ = lab
    fault = prepare(lab, variant="good")
    fault.inject()
    fault.undo()
    generation = log.latest_generation()
    fault.undo()
    assert log.latest_generation() == generation


def test_its_answers_are_known_to_the_comparison_and_a_missing_number_is_never_right(lab):
    lab, _, _ = lab
    fault = prepare(lab, variant="nan")
    rows = ReferenceAnswers.read(lab.directory).answers[fault.digest]
    assert len(rows["0"]) == 1
    assert () in rows.values()
