from chaos import leases, leftovers
from chaos.faults.disabled_remedy import DisabledRemedy


def test_outstanding_leases_of_every_drill_are_found_and_cleared_the_latest_first(tmp_path):
    for drill, remedy in (("noop", "wait"), ("model-corruption", "rollback")):
        fault = DisabledRemedy(home=tmp_path, remedy=remedy, seconds_max=60)
        leases.take(tmp_path / "drills" / drill / "one" / "ablation", fault, ttl_seconds=60)
    done = DisabledRemedy(home=tmp_path, remedy="retrain", seconds_max=60)
    directory = tmp_path / "drills" / "noop" / "two" / "leases"
    leases.give_back(directory, leases.take(directory, done, ttl_seconds=60))
    left = leftovers.find(tmp_path)
    assert [each.title for each in left] == [
        "remedy wait disabled (drill noop)",
        "remedy rollback disabled (drill model-corruption)",
    ]
    assert leftovers.clear(tmp_path) == left
    assert leftovers.find(tmp_path) == []
    assert not any(each.lease.fault.active() for each in left)


def test_a_home_without_drills_has_none(tmp_path):
    assert leftovers.find(tmp_path) == leftovers.clear(tmp_path) == []
