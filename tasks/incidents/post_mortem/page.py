"""The page of an incident that ended, as HTML and as Markdown for Prefect."""

from pathlib import Path

from healing.decision import Fate
from healing.incident import Attempt, AttemptOutcome, Status
from tasks.incidents.post_mortem import explanation
from tasks.incidents.post_mortem.account import Account
from tasks.runtime.pages import markdown_cell, render_page

TEMPLATE = "post_mortem.html.jinja"

_MARKS = {
    Status.RECOVERED: "good",
    Status.ESCALATED: "bad",
    Status.DISMISSED: "note",
    AttemptOutcome.SUCCEEDED: "good",
    AttemptOutcome.FAILED: "bad",
    AttemptOutcome.FUTILE: "warn",
    AttemptOutcome.RUNNING: "note",
    Fate.CHOSEN: "good",
    Fate.FUTILE: "warn",
    Fate.OVER_BUDGET: "bad",
}


def as_html(account: Account) -> str:
    """The page; text that a source, a model or a person wrote is escaped."""
    return render_page(
        Path(__file__).parent,
        TEMPLATE,
        account=account,
        incident=account.incident,
        explained=explanation,
        marks=_MARKS,
        clock=explanation.clock_of(account),
        attempts=[(attempt, _seconds(attempt)) for attempt in account.incident.attempts],
        worth=_shares(account),
    )


def as_markdown(account: Account, page: Path) -> str:
    """A summary with times, attempts and the timeline; `page` is the HTML file."""
    incident, cell, clock = account.incident, markdown_cell, explanation.clock_of(account)
    times = explanation.times_in_words(account.times)
    attempts = [
        f"| {each.number} | {each.remedy} | {each.outcome} | {_seconds(each)} | {cell(each.note)} |"
        for each in incident.attempts
    ]
    lines = [
        f"## {incident.cause} of {cell(incident.subject)}: {incident.status}",
        "",
        f"{cell(incident.summary)} Incident `{incident.id}` of {cell(incident.pipeline)}, page `{page}`.",
        "",
        f"It ended because: {cell(account.ended_because or explanation.NOT_KNOWN)}",
        "",
        f"| {' | '.join(times)} |",
        f"|{'---:|' * len(times)}",
        f"| {' | '.join(times.values())} |",
        "",
        f"* Common causes: {cell(explanation.common_causes_of(account))}",
        f"* Remedies: {cell(explanation.allowed_of(account))}",
        f"* Requests: {cell(explanation.requests_in_words(account))}",
        "",
        *(
            ["| attempt | remedy | outcome | took | note |", "|---:|---|---|---:|---|", *attempts, ""]
            if attempts
            else []
        ),
        "| time (UTC) | what | detail |",
        "|---|---|---|",
        *(f"| {e.at:{clock}} | {cell(e.what)} | {cell(e.detail)} |" for e in account.timeline if not e.is_decision),
    ]
    return "\n".join(lines)


def _seconds(attempt: Attempt) -> str:
    if attempt.ended_at is None:
        return "not ended"
    return f"{max(0.0, (attempt.ended_at - attempt.started_at).total_seconds()):,.1f} s"


def _shares(account: Account) -> list[tuple[str, int, float, str]]:
    """Name, number, percentage and mark of each class of requests; empty if they are not known."""
    if account.requests is None:
        return []
    counts = account.requests.counts
    total = max(1, counts.total)
    classes = (("good", counts.good, "good"), ("degraded", counts.degraded, "warn"), ("failed", counts.failed, "bad"))
    return [(name, count, 100 * count / total, mark) for name, count, mark in classes]
