"""The status of a rollout: what serves, and the trial with its counts and checks."""

from typing import TYPE_CHECKING

from rich.console import RenderableType

from cli.render.parts import Headline, duration, fields, moment, number, quiet, section, table, word

if TYPE_CHECKING:
    from tasks.rollout.progress import CheckProgress, RolloutProgress
    from tasks.rollout.rollout_status import RolloutStatus


def rollout_parts(status: "RolloutStatus") -> list[RenderableType]:
    """One sentence, then the progress of the trial if there is one."""
    parts: list[RenderableType] = [Headline(status.in_words)]
    return parts if status.progress is None else [*parts, *_progress_parts(status.progress)]


def _progress_parts(progress: "RolloutProgress") -> list[RenderableType]:
    from tasks.rollout.ab_progress import ab_rows
    from tasks.rollout.progress import stage_in_words

    counts = [
        ("requests", number(progress.requests), number(progress.champion_requests)),
        ("errors", number(progress.errors), number(progress.champion_errors)),
        ("requests needed", number(progress.requests_needed), ""),
    ]
    left = None if progress.seconds_left is None else duration(progress.seconds_left)
    return [
        fields(
            [
                ("trial", f"{stage_in_words(progress)}, {progress.phase}"),
                ("model", progress.digest),
                ("seen at", moment(progress.at)),
                ("time left", left),
                ("question", progress.question),
                ("reason", progress.reason),
            ]
        ),
        *([] if progress.ab is None else section("A/B test", fields([*ab_rows(progress.ab)]))),
        *section("counts", table(("", "challenger", "champion"), counts, numbers=("challenger", "champion"))),
        *section(
            "checks",
            table(
                ("check", "verdict", "log e", "fails at", "seen", "votes", "reason"),
                map(_check, progress.checks),
                numbers=("log e", "fails at", "seen"),
            ),
        ),
    ]


def _check(check: "CheckProgress") -> tuple[RenderableType, ...]:
    return (
        check.check,
        word(check.outcome),
        number(check.log_e),
        number(check.threshold_log_e),
        number(check.observations),
        "yes" if check.votes else "no",
        quiet(check.reason),
    )
