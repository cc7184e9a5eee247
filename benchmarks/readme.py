"""Writes the figures of the README from the kept results, so that no number there was typed by hand.

python -m benchmarks.readme
"""

import re
from collections.abc import Mapping

from benchmarks.result import PROJECT, Figure, read

README = PROJECT / "README.md"
BLOCK = re.compile(r"(<!-- figures: demo -->\n).*?(<!-- end -->)", re.DOTALL)


def demo_figures(figures: Mapping[str, Figure]) -> str:
    """The demo's figures as a table of incidents and a sentence on requests and rows."""
    causes = [name.removesuffix("_remedies") for name in figures if name.endswith("_remedies")]
    rows = [
        "| trouble | remedies | detected | mitigated | recovered |",
        "|---|---|---:|---:|---:|",
        *(
            f"| {cause} | {figures[f'{cause}_remedies']} | "
            + " | ".join(
                _seconds(figures[f"{cause}_{moment}_seconds"]) for moment in ("detected", "mitigated", "recovered")
            )
            + " |"
            for cause in causes
        ),
    ]
    summary = (
        f"{figures['requests_total']:,} requests in one run: {figures['requests_good']:,} answered by champion or "
        f"challenger, {figures['requests_degraded']:,} by a fallback, {figures['requests_failed']} failed, "
        f"{figures['requests_wrong']} wrong. {figures['rows_received']:,} rows received: {figures['rows_accepted']:,} "
        f"accepted, {figures['rows_quarantined']:,} quarantined, {figures['rows_duplicates']:,} duplicates. "
        f"The story took {figures['demo_seconds']} seconds."
    )
    return "\n".join(rows) + f"\n\n{summary}\n"


def with_figures(readme: str) -> str:
    """`readme` with its block of figures written again."""
    block = demo_figures(read("demo")["figures"])
    return BLOCK.sub(lambda found: found[1] + block + found[2], readme)


def _seconds(figure: Figure) -> str:
    return "-" if figure is None else f"{figure:.1f} s"


if __name__ == "__main__":
    README.write_text(with_figures(README.read_text()))
