from itertools import combinations

from chaos.compose.drill import FaultEntry, read_catalogue
from chaos.compose.victims import are_disjoint, in_order_of_proof, victims

CATALOGUE = {drill.name: drill for drill in read_catalogue()}


def test_every_fault_of_the_catalogue_has_a_victim():
    for drill in CATALOGUE.values():
        assert all(victims(fault) for fault in drill.faults), drill.name


def test_a_changed_file_of_the_champion_takes_hold_of_the_champion_and_of_the_release_root():
    fault = FaultEntry(kind="file", arguments={"file": "champion_model", "change": "flip"})
    assert victims(fault) == {"champion", "release root"}


def test_drills_are_disjoint_exactly_if_no_victim_is_common():
    for one, other in combinations(CATALOGUE.values(), 2):
        common = {each for fault in one.faults for each in victims(fault)}
        common &= {each for fault in other.faults for each in victims(fault)}
        assert are_disjoint(one, other) is not bool(common), (one.name, other.name)


def test_what_hides_a_later_victim_is_injected_last():
    drills = ("release-root-away", "ledger-locked", "healer-hang", "candidate-nan", "model-corruption")
    faults = in_order_of_proof(fault for name in drills for fault in CATALOGUE[name].faults)
    assert [fault.kind for fault in faults] == [
        "candidate",
        "file",
        "signal",
        "signal",
        "locked_database",
        "directory",
    ]
