import httpx
import pytest

from chaos.faults.error_answers import prepare
from tests.chaos.faults.test_toxic import lab  # noqa: F401  the fixture
from tests.gateway.running import wait_until


def test_a_client_of_the_link_gets_the_error_until_the_undo(lab):  # noqa: F811
    fault = prepare(lab, link="operate", status=503)
    assert not fault.active()
    fault.inject()
    wait_until(fault.active, "the link answers 503")
    posted = httpx.post(f"http://{fault.listen}/release", json={}, trust_env=False)
    assert (posted.status_code, posted.json()) == (503, {"error": "a drill answers here"})
    fault.undo()
    fault.undo()
    assert not fault.active()
    assert httpx.get(f"http://{fault.listen}/release", trust_env=False).is_success
    assert fault.agent.find() is None


def test_an_unknown_link_is_refused(lab):  # noqa: F811
    with pytest.raises(LookupError, match="found 'ledger'"):
        prepare(lab, link="ledger")
