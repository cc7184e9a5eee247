"""The findings of the doctor, one block per finding."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from cli.render.parts import Headline, Tone, fields, word

if TYPE_CHECKING:
    from cli.doctor.finding import Finding


def doctor_parts(findings: "Sequence[Finding]") -> list[RenderableType]:
    """Each finding with what was expected, what was found and the fix; the count comes last, where it is seen."""
    parts: list[RenderableType] = []
    for each in findings:
        parts.append(Text(": ").join([word(each.severity), Text(each.check, style="bold"), Text(each.subject)]))
        fix = Text(each.fix, style="bold")
        parts.append(fields([("  expected", each.expected), ("  found", each.found), ("  fix", fix)]))
    if not findings:
        return [Headline("no finding", tone=Tone.GOOD)]
    count = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
    return [*parts, Headline(count, tone=Tone.BAD)]
