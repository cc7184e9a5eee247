"""A rollout's progress in words: one line for a terminal, a page for Prefect."""

from tasks.rollout.progress import CheckProgress, Phase, Progress


def line(progress: Progress) -> str:
    """One line: stage, share, exposure, the check nearest to its threshold, what is still needed, time left."""
    parts = [f"{progress.version}  {_stage(progress)}  {progress.phase.value}"]
    if progress.mode is not None:
        parts.append(f"{progress.requests} requests, {progress.errors} errors")
    if progress.requests_needed:
        parts.append(f"{progress.requests_needed} more needed")
    nearest = _nearest(progress)
    if nearest is not None:
        parts.append(f"{nearest.check.value} {_evidence(nearest)}")
    if progress.seconds_left is not None:
        parts.append(f"{max(0.0, progress.seconds_left):.0f} s left")
    parts.extend(text for text in (progress.question, progress.reason) if text)
    return "  |  ".join(parts)


def page(progress: Progress) -> str:
    """Markdown: where the rollout stands, and every check against its threshold."""
    lines = [
        f"# {progress.pipeline}: {progress.version}, {_stage(progress)}, {progress.phase.value}",
        "",
        f"{progress.at:%Y-%m-%d %H:%M:%S} UTC. Model `{progress.digest[:12]}`.",
    ]
    lines += [text for text in (progress.question, progress.reason) if text]
    left = None if progress.seconds_left is None else round(progress.seconds_left)
    lines += [
        "",
        "| | challenger | champion |",
        "|---|---|---|",
        f"| requests | {progress.requests} | {progress.champion_requests} |",
        f"| errors | {progress.errors} | {progress.champion_errors} |",
        f"| requests still needed without an error | {_or_dash(progress.requests_needed)} | |",
        f"| seconds left | {_or_dash(left)} | |",
        "",
        "| check | verdict | log e / threshold | observations | vote | |",
        "|---|---|---|---|---|---|",
        *(
            f"| {check.check.value} | {check.outcome.value} | {_evidence(check)} | {check.observations} | "
            f"{'yes' if check.votes else 'shown only'} | {check.reason} |"
            for check in progress.checks
        ),
    ]
    return "\n".join(lines)


def _stage(progress: Progress) -> str:
    if progress.mode is None or progress.phase is Phase.ENDED:
        return "no stage"
    return f"stage {progress.stage} of {progress.stages} ({progress.mode.value} {progress.weight:.1%})"


def _nearest(progress: Progress) -> CheckProgress | None:
    """The voting check with the least evidence missing, None where none has any."""
    voting = [check for check in progress.checks if check.votes and check.log_e is not None and check.threshold_log_e]
    return max(voting, key=lambda check: (check.log_e or 0.0) - (check.threshold_log_e or 0.0), default=None)


def _evidence(check: CheckProgress) -> str:
    return f"{_number(check.log_e)} / {_number(check.threshold_log_e)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
