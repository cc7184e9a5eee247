"""`autopilot incident explain`: why the system did what it did about one incident."""

from typing import TYPE_CHECKING

from cli.incident.selection import IncidentArgument, incident_in_ledger
from cli.options import HomeOption, JsonOption, PipelineArgument

if TYPE_CHECKING:
    from tasks.incidents.post_mortem.account import Account


def explain(
    pipeline: PipelineArgument, incident_id: IncidentArgument, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Explain one incident: evidence, common causes, remedies and why not, verification, and why it ended."""
    from cli.output import print_result
    from tasks.incidents.post_mortem.account import account_of

    with incident_in_ledger(pipeline, incident_id, home) as (_, ledger, incident):
        account = account_of(ledger, incident)
    if as_json:
        print_result(account, as_json=True)
    else:
        print_account(account)


def print_account(account: "Account") -> None:
    """The account as text; times in UTC."""
    from tasks.incidents.post_mortem import explanation

    incident = account.incident
    print(f"{incident.cause} of {incident.subject}: {incident.status}")
    _print_section("evidence", [f"{each['observer']}: {each['summary']}" for each in incident.evidence])
    _print_section("confirmation", [explanation.confirmation_of(account)])
    _print_section("common causes", [explanation.common_causes_of(account)])
    _print_section("remedies that policy allowed", [explanation.allowed_of(account)])
    _print_section("choices", _choices(account))
    _print_section("budgets at the last decision", [explanation.budget_of(account)])
    _print_section(
        "timeline", [f"{e.at:%H:%M:%S}Z  {e.what}{': ' * bool(e.detail)}{e.detail}" for e in account.timeline]
    )
    times = explanation.times_in_words(account.times)
    _print_section("times since the problem began", [f"{name:<14} {said}" for name, said in times.items()])
    _print_section("requests", [explanation.requests_in_words(account)])
    _print_section("why it ended", [account.ended_because or "it has not ended"])


def _choices(account: "Account") -> list[str]:
    from tasks.incidents.post_mortem.explanation import choices_of, clock_of

    clock, lines = clock_of(account), []
    for choice in choices_of(account):
        lines.append(f"{choice.at:{clock}}Z  {choice.step}: {choice.reason}")
        lines += [f"           {each.remedy}: {each.fate}, {each.reason}" for each in choice.considered]
    return lines or ["none: no remedy was considered by the healer"]


def _print_section(title: str, lines: list[str]) -> None:
    print(title)
    for line in lines:
        print(f"  {line}")
