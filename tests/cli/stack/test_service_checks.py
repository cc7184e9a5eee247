"""Checks of services that do not answer."""

import pytest

from cli.stack.service_checks import answers, create_work_pool, worker_is_polling
from healing.errors import OrchestratorUnavailable

PREFECT = "http://127.0.0.1:9/api"  # nothing listens on this port


def test_a_prefect_that_does_not_answer_gives_no_verdict_on_the_worker():
    assert not answers(f"{PREFECT}/health")
    with pytest.raises(OrchestratorUnavailable, match="expected Prefect to list the workers of http://127"):
        worker_is_polling(PREFECT, "worker")
    with pytest.raises(OrchestratorUnavailable, match="to make a work pool"):
        create_work_pool(PREFECT)
