from datetime import date, timedelta

from chaos.compose.drill import read_catalogue
from chaos.rotation import drill_of_week, rotation

MONDAY = date(2026, 11, 23)


def test_every_day_of_a_week_has_the_same_drill_and_the_next_week_has_the_next_one():
    drills = read_catalogue()
    week = {drill_of_week(MONDAY + timedelta(days=day), drills).name for day in range(7)}
    assert len(week) == 1
    assert drill_of_week(MONDAY + timedelta(days=7), drills).name not in week


def test_the_whole_rotation_has_its_turn():
    drills = read_catalogue()
    turns = rotation(drills)
    seen = {drill_of_week(MONDAY + timedelta(weeks=week), drills).name for week in range(len(turns))}
    assert seen == {drill.name for drill in turns}


def test_no_drill_of_the_rotation_breaks_prefect_or_needs_a_proxy():
    for drill in rotation(read_catalogue()):
        assert "proxy" not in drill.needs
        processes = {str(fault.arguments.get("process", "")) for fault in drill.faults}
        assert not any("prefect" in name or name == "worker" for name in processes), drill.name
