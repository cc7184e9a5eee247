"""Collect the answers of every ready model before the fault."""

from collections.abc import Mapping
from typing import Any

from chaos import golden_rows
from chaos.lab import Lab
from chaos.record import remember
from chaos.reference_answers import ReferenceAnswers

__all__ = ["CHAMPION", "collect_reference_answers"]

CHAMPION = "champion"


def collect_reference_answers(configuration: Mapping[str, Any]) -> int:
    """Store the reference answers in the drill's record; return how many. ValueError when the champion's are wrong."""
    lab = Lab.of(configuration)
    champion = lab.champion()
    remember(lab.directory, CHAMPION, champion)
    golden_rows.keep_requests(lab, champion)
    reference = golden_rows.collect_answers(
        lab, golden_rows.golden_requests(lab, champion), ReferenceAnswers(answers={})
    )
    golden_rows.check_golden(lab, champion, reference)
    reference.write(lab.directory)
    return sum(len(rows) for rows in reference.answers.values())
