import pytest

from chaos.page.advice import advice_for
from chaos.verdict import Counts, Exit
from tests.chaos.outcomes import trial

FOUND = {"expected_causes": ("model_corrupt",), "causes": ("model_corrupt",)}


@pytest.mark.parametrize(
    ("outcome", "advice"),
    [
        (trial(), ""),
        (trial(Exit.NOT_STEADY), "was not healthy before"),
        (trial(Exit.FAULT_NOT_PROVEN), "no measured effect"),
        (trial(Exit.HARNESS_FAILED), "chaos.log"),
        (trial(Exit.ABORTED), "drill clear"),
        (trial(Exit.NOT_RECOVERED, ablated="rollback"), "rollback was disabled"),
        (trial(Exit.NOT_RECOVERED, requests=Counts(wrong=1)), "Wrong answers"),
        (trial(Exit.NOT_RECOVERED, expected_causes=("disk_full",)), "No incident of disk_full"),
        (trial(Exit.NOT_RECOVERED, **FOUND), "no remedy started"),
        (trial(Exit.NOT_RECOVERED, **FOUND, remedies=("wait",), requests=Counts(failed=1)), "OVERLOADED"),
        (trial(Exit.NOT_RECOVERED, **FOUND, remedies=("wait",)), "not restored in time"),
    ],
)
def test_each_way_to_fail_has_its_advice(outcome, advice):
    assert advice in advice_for(outcome)
