"""Clients of an A/B test in the lake: what settles them, what counts, and what stays missing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from healing.ab_rules import LOSS, ABRules, Better
from healing.assignment import client_of, is_assigned
from healing.release import Challenger, Mode, ModelRef, Reason, Release
from tasks.config.pipeline import load_pipeline
from tasks.rollout.ab_clients import ABClients, ab_clients
from tasks.serving.prediction_log import LABEL_STREAM, OUTCOME_STREAM, OUTCOMES, PREDICTION_STREAM
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CHAMPION, CHALLENGER = ModelRef("a" * 64, "1.0.0"), ModelRef("b" * 64, "1.0.1")
RULES = ABRules("revenue", 0.0, 100.0, client_seconds=3600.0, outcome_seconds=3600.0)
LATER = BEGAN + timedelta(days=2)


def arm_of(name: str) -> bool:
    return is_assigned(client_of(CHALLENGER.digest, name), 0.5)


IN_CHALLENGER = next(f"c{n}" for n in range(100) if arm_of(f"c{n}"))
IN_CHAMPION = next(f"c{n}" for n in range(100) if not arm_of(f"c{n}"))


class Lake:
    """Requests and their feedback, written as a drain writes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._numbers = iter(range(1, 1_000))

    def ask(self, client: str | None, hours: float = 0.0, prediction: float = 0.5, **changed: Any) -> str:
        """One request of one row; returns its id."""
        number = next(self._numbers)
        row = {
            **self._place(f"r{number}", number, hours),
            "generation": 2,
            "digest": CHAMPION.digest,
            "version": "1.0.0",
            "rung": "champion",
            "key": None,
            "features": "{}",
            "prediction": prediction,
            "client": None if client is None else client_of(CHALLENGER.digest, client),
        }
        self._write("predictions", row | changed, PREDICTION_STREAM.schema)
        return f"r{number}"

    def report(self, request: str, value: float, hours: float, name: str = "revenue") -> None:
        number = next(self._numbers)
        row = {**self._place(request, number, hours), "name": name, "value": value}
        self._write(OUTCOMES, row, OUTCOME_STREAM.schema)

    def label(self, request: str, label: float, hours: float) -> None:
        number = next(self._numbers)
        self._write("feedback", {**self._place(request, number, hours), "label": label}, LABEL_STREAM.schema)

    @staticmethod
    def _place(request: str, number: int, hours: float) -> dict[str, Any]:
        return {"epoch": "e", "seq": number, "request_id": request, "row": 0, "at": BEGAN + timedelta(hours=hours)}

    def _write(self, table: str, row: dict[str, Any], schema: pa.Schema) -> None:
        write_deltalake(str(self.root / table), pa.Table.from_pylist([row], schema=schema), mode="append")


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def clients(tmp_path, monkeypatch, lake):
    """Reads the clients, under the given rules and at the given time."""
    bench = make_bench(tmp_path, monkeypatch)
    manifest = bench.publish(1)
    from releases.store import ModelStore

    champion = ModelStore(bench.root).manifest(manifest.digest)
    pipeline = load_pipeline(PIPELINE, bench.settings.pipelines_dir)

    def read(rules: ABRules = RULES, at: datetime = LATER) -> ABClients:
        trial = Challenger(CHALLENGER, Mode.CANARY, 0.5, ab=rules)
        began = Release(2, BEGAN, PIPELINE, "release", Reason.CANARY, CHAMPION, 0.25, challenger=trial)
        return ab_clients(pipeline, lake.root, champion, began, at)

    return read


def outcomes(found: ABClients) -> list[tuple[bool, float, float]]:
    return [(each.challenger, each.low, each.high) for each in found.settled]


def test_before_the_first_request_there_are_none(clients):
    assert clients() == ABClients()


def test_a_client_is_the_mean_of_its_rows_in_the_arm_that_it_is_assigned_to(lake, clients):
    lake.report(lake.ask(IN_CHALLENGER), 10.0, hours=0.1)
    lake.report(lake.ask(IN_CHALLENGER, hours=0.5, digest=CHALLENGER.digest, rung="challenger"), 30.0, hours=0.6)
    lake.report(lake.ask(IN_CHAMPION, hours=0.2), 7.0, hours=0.3)
    assert outcomes(clients()) == [(True, 20.0, 20.0), (False, 7.0, 7.0)]


def test_a_client_counts_once_its_time_is_over_and_never_changes_then(lake, clients):
    first = lake.ask(IN_CHAMPION)
    lake.report(first, 10.0, hours=1.0)
    before = clients(at=BEGAN + timedelta(hours=1.9))
    assert (before.settled, before.waiting) == ((), 1)
    settled = clients(at=BEGAN + timedelta(hours=2.1))
    assert (outcomes(settled), settled.waiting) == ([(False, 10.0, 10.0)], 0)
    lake.report(first, 90.0, hours=2.05)  # too late
    lake.report(lake.ask(IN_CHAMPION, hours=1.5), 50.0, hours=1.6)  # requested after its hour
    assert outcomes(clients()) == [(False, 10.0, 10.0)]


def test_the_last_value_in_time_counts_and_other_outcomes_do_not(lake, clients):
    request = lake.ask(IN_CHAMPION)
    lake.report(request, 10.0, hours=0.1)
    lake.report(request, 20.0, hours=0.2)
    lake.report(request, 99.0, hours=0.3, name="clicks")
    assert outcomes(clients()) == [(False, 20.0, 20.0)]


def test_a_row_without_a_value_may_be_anything_or_is_what_the_rules_say(lake, clients):
    lake.report(lake.ask(IN_CHALLENGER), 40.0, hours=0.1)
    lake.ask(IN_CHALLENGER, hours=0.1)
    lake.ask(IN_CHAMPION, hours=0.2)
    found = clients()
    assert outcomes(found) == [(True, 20.0, 70.0), (False, 0.0, 100.0)]
    assert (found.missing_challenger, found.missing_champion) == (0.5, 1.0)
    nothing = clients(ABRules("revenue", 0.0, 100.0, absent=0.0, client_seconds=3600.0, outcome_seconds=3600.0))
    assert outcomes(nothing) == [(True, 20.0, 20.0), (False, 0.0, 0.0)]


def test_a_value_outside_the_bounds_counts_as_the_bound_and_is_counted(lake, clients):
    lake.report(lake.ask(IN_CHAMPION), 250.0, hours=0.1)
    found = clients()
    assert (outcomes(found), found.clipped_rows) == ([(False, 100.0, 100.0)], 1)


@pytest.mark.parametrize("changed", [{"generation": 1}, {"request_id": "autopilot-probe-1"}])
def test_rows_of_an_earlier_stage_and_probes_are_left_out(lake, clients, changed):
    from tasks.serving.gateway_client import PROBE_PREFIX

    if "request_id" in changed:
        changed = {"request_id": f"{PROBE_PREFIX}1"}
    lake.ask(IN_CHAMPION, **changed)
    lake.ask(None)  # answered outside an A/B test
    assert clients() == ABClients()


def test_the_loss_is_that_of_the_served_prediction_on_a_label_in_time(lake, clients):
    rules = ABRules(LOSS, 0.0, 6.0, Better.LOWER, client_seconds=3600.0, outcome_seconds=3600.0)
    lake.label(lake.ask(IN_CHAMPION, prediction=0.5), 1.0, hours=1.0)
    late = lake.ask(IN_CHALLENGER, hours=0.1, prediction=0.9)
    lake.label(late, 1.0, hours=9.0)
    (first, second) = clients(rules).settled
    assert first.low == first.high == pytest.approx(0.25 / (0.25 * 0.75))  # squared error in variances of the label
    assert (second.low, second.high) == (0.0, 6.0)
