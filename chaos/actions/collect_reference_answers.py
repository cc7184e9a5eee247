"""Ask every warm model for its answers, before anything is broken."""

from collections.abc import Mapping
from typing import Any

from chaos import oracle
from chaos.lab import Lab
from chaos.record import remember
from chaos.reference import Reference

CHAMPION = "champion"


def collect_reference_answers(configuration: Mapping[str, Any]) -> int:
    """Keep the reference answers in the drill's record; return how many. ValueError when the champion's are wrong."""
    lab = Lab.of(configuration)
    champion = lab.champion()
    remember(lab.directory, CHAMPION, champion)
    reference = oracle.ask(lab, oracle.golden_requests(lab, champion), Reference(answers={}))
    oracle.check_golden(lab, champion, reference)
    reference.write(lab.directory)
    return sum(len(rows) for rows in reference.answers.values())
