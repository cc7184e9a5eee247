"""A source that became slow is found by its recorded fetch times, and asked last until it is measured again."""

from datetime import UTC, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy
from tasks.config.pipeline import load_pipeline
from tasks.incidents.probe import ProbeContext
from tasks.incidents.probes.source_speed import SourceSpeed, slowness_of
from tasks.incidents.remedies import avoid_slow_source
from tasks.incidents.remedy_registry import find_remedy
from tasks.ingestion.run_record import record_end
from tasks.ingestion.sources import Lookup, open_sources
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE
from tests.tasks.incidents.contexts import context

USUAL = [0.2, 0.3, 0.2, 0.25, 0.2]
ACTION = find_remedy(Remedy.SWITCH_SOURCE, Cause.SOURCE_SLOW)


@pytest.mark.parametrize(
    ("latest", "slow"),
    [
        ([9.0, 9.0], True),
        ([9.0, 0.2], False),  # one run only
        ([1.5, 1.5], False),  # seven times the usual, and nobody waits for it
        ([2.5, 2.5], True),
    ],
)
def test_a_source_is_slow_after_two_runs_that_are_far_slower_than_usual(latest, slow):
    assert (slowness_of([*latest, *USUAL]) is not None) is slow
    assert slowness_of([*latest, *USUAL[:4]]) is None  # too little is known


def test_a_slow_request_is_no_news_of_a_source_that_always_takes_long():
    assert slowness_of([60.0, 60.0, *[50.0] * 5]) is None


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A pipeline with two sources, of which the first became slow."""
    bench = make_bench(tmp_path, monkeypatch)
    file = bench.settings.pipelines_dir / PIPELINE / "pipeline.yaml"
    only = '{name: only, kind: http, url: "http://127.0.0.1:9"}'
    other = '{name: other, kind: http, url: "http://127.0.0.1:9"}'
    file.write_text(file.read_text().replace(only, f"{only}, {other}"))
    with bench.ledger() as ledger:
        for seconds in (*USUAL, 9.0, 9.0):
            record_end(ledger, PIPELINE, None, 1, {"only": seconds})
    return bench


def order(bench, config):
    with open_sources(config, Lookup({}, {}), bench.settings.sources_dir(PIPELINE)) as chain:
        return chain.names()


def test_the_other_source_is_asked_first_for_a_while(bench, monkeypatch):
    config = load_pipeline(PIPELINE, bench.settings.pipelines_dir)
    with bench.ledger() as ledger:
        looked = ProbeContext(bench.settings, config, ledger)
        [problem] = SourceSpeed().observe(looked).present
        assert (problem.cause, problem.subject) == (Cause.SOURCE_SLOW, "only")
        evidence = Evidence(PIPELINE, problem.cause, problem.subject, "heal", datetime.now(UTC), problem.message)
        given = context(bench.settings, ledger, ledger.record_evidence(evidence), Remedy.SWITCH_SOURCE)
        assert order(bench, config) == ["only", "other"]
        assert ACTION.apply(given).outcome is AttemptOutcome.SUCCEEDED
        assert order(bench, config) == ["other", "only"]
        assert SourceSpeed().observe(looked).present == ()
        monkeypatch.setattr(avoid_slow_source, "AVOID_SECONDS", 0.0)
        assert ACTION.apply(given).outcome is AttemptOutcome.SUCCEEDED  # a healer that was killed applies it again
        assert order(bench, config) == ["only", "other"]  # the time is over


def test_a_pipeline_without_another_source_has_nothing_to_switch_to(tmp_path, monkeypatch):
    bench = make_bench(tmp_path, monkeypatch)
    with bench.ledger() as ledger:
        evidence = Evidence(PIPELINE, Cause.SOURCE_SLOW, "only", "heal", datetime.now(UTC))
        given = context(bench.settings, ledger, ledger.record_evidence(evidence), Remedy.SWITCH_SOURCE)
        assert ACTION.apply(given).outcome is AttemptOutcome.FUTILE
