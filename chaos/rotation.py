"""Which drill a weekly schedule runs: the catalogue in turn, without the drills that break what runs the drill."""

from collections.abc import Sequence
from datetime import date

from chaos.compose.drill import CatalogueDrill, Tier, read_catalogue

__all__ = ["WEEKLY", "drill_of_week", "rotation", "weekly_drill"]

WEEKLY = "weekly"  # as the name of a drill, stands for the drill of the week
DAYS_PER_WEEK = 7


def rotation(drills: Sequence[CatalogueDrill]) -> list[CatalogueDrill]:
    """The drills that need a gateway, a healer and two models, and nothing else.

    None of them touches Prefect's server or a worker of Prefect, so the run that carries the drill goes on.
    """
    return [drill for drill in drills if drill.tier is Tier.SERVING and drill.faults and not drill.needs]


def drill_of_week(day: date, drills: Sequence[CatalogueDrill]) -> CatalogueDrill:
    """The drill of the week of `day`: each week the next one, and the same one for all days from Monday to Sunday."""
    turns = rotation(drills)
    return turns[(day.toordinal() - 1) // DAYS_PER_WEEK % len(turns)]


def weekly_drill(day: date) -> str:
    """The name of the catalogue's drill for the week of `day`."""
    return drill_of_week(day, read_catalogue()).name
