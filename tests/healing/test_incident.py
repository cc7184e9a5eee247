import pytest

from healing.errors import IllegalTransition
from healing.incident import ENDED, Status, check_status_change


@pytest.mark.parametrize(
    ("previous", "following"),
    [
        (Status.OPEN, Status.DIAGNOSED),
        (Status.OPEN, Status.DISMISSED),
        (Status.DIAGNOSED, Status.HEALING),
        (Status.HEALING, Status.HEALING),
        (Status.HEALING, Status.RECOVERED),
        (Status.HEALING, Status.ESCALATED),
        (Status.ESCALATED, Status.ESCALATED),
        (Status.ESCALATED, Status.RECOVERED),
        (Status.ESCALATED, Status.DISMISSED),
    ],
)
def test_these_may_follow(previous, following):
    check_status_change(previous, following)


@pytest.mark.parametrize("ended", sorted(ENDED - {Status.ESCALATED}))
@pytest.mark.parametrize("following", sorted(Status))
def test_an_ended_incident_stays_ended(ended, following):
    with pytest.raises(IllegalTransition, match="it has ended"):
        check_status_change(ended, following)


@pytest.mark.parametrize("following", [Status.OPEN, Status.DIAGNOSED, Status.HEALING])
def test_healing_does_not_take_an_escalated_incident_back(following):
    with pytest.raises(IllegalTransition, match="may become dismissed, escalated, recovered"):
        check_status_change(Status.ESCALATED, following)


def test_an_undiagnosed_incident_is_not_healed():
    with pytest.raises(IllegalTransition, match="may become"):
        check_status_change(Status.OPEN, Status.HEALING)
