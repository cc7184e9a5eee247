"""A damaged release root is repaired from what a real gateway kept, and the gateway confirms that it is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy
from healing.verdict import Outcome
from releases.store import ModelStore
from tasks.config.settings import load_settings
from tasks.incidents.remedy_action import AttemptRun
from tasks.incidents.remedy_registry import implementation_of
from tests.flows.release_bench import make_bench
from tests.gateway.running import wait_until
from tests.published import PIPELINE, bootstrap, corrupt
from tests.tasks.incidents.contexts import context

ACTION = implementation_of(Remedy.REPUBLISH)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return make_bench(tmp_path, monkeypatch)


def attempt_about(bench, ledger, cause, subject):
    incident = ledger.record_evidence(Evidence(PIPELINE, cause, subject, "gateway", datetime.now(UTC)))
    return context(load_settings(), ledger, incident, Remedy.REPUBLISH)


def test_the_only_model_and_the_log_are_restored_while_the_gateway_serves(bench):
    champion = bench.publish(1)
    bootstrap(bench.root, champion)
    document = bench.root / "log" / "00000001.json"
    with bench.serve() as gateway, bench.ledger() as ledger:
        gateway.wait_for_generation(1)
        kept = bench.settings.gateway_dir(PIPELINE) / "cache" / "log" / document.name
        wait_until(kept.exists, "the gateway keeps a copy")
        corrupt(bench.root, champion)
        wait_until(lambda: ("model_corrupt", champion.digest) in gateway.problems(), "the gateway reports it")
        given = attempt_about(bench, ledger, Cause.MODEL_CORRUPT, champion.digest)
        assert ACTION.observe(given).outcome is Outcome.FAIL
        result = ACTION.apply(given)
        assert (result.outcome, "model.skops" in result.note) == (AttemptOutcome.SUCCEEDED, True)
        wait_until(lambda: ACTION.observe(given).outcome is Outcome.PASS, "the gateway finds it sound")
        assert ModelStore(bench.root).verify(champion.digest, bench.keys.public)

        document.write_bytes(b"{")
        given = attempt_about(bench, ledger, Cause.STORE_UNAVAILABLE, str(bench.root))
        assert ACTION.apply(given).note == "restored release 1"
        assert bench.current.champion == champion
        assert ACTION.apply(given).outcome is AttemptOutcome.FUTILE
        again = ACTION.resume(given, AttemptRun(replace(given.attempt, lease_token=1)))
        assert again.outcome is AttemptOutcome.SUCCEEDED  # a healer that was killed after the last file


def test_without_a_copy_nothing_can_be_restored(bench):
    champion = bench.publish(1)
    bootstrap(bench.root, champion)
    corrupt(bench.root, champion)
    with bench.ledger() as ledger:
        given = attempt_about(bench, ledger, Cause.MODEL_CORRUPT, champion.digest)
        result = ACTION.apply(given)
    assert (result.outcome, "is not in the store" in result.note) == (AttemptOutcome.FUTILE, True)
