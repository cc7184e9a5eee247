"""A controller killed at any crash point leaves one champion in service, and the next run finishes the rollout."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from healing.incident import Status
from healing.release import ModelRef, Reason
from tests.flows.killable import Ended, Killable, Order
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.flows.test_release_ab import SECTION as AB_SECTION
from tests.flows.test_release_ab import shoppers
from tests.gateway.running import wait_until
from tests.published import PIPELINE, bootstrap, publish_tiny_model, raising_estimator

pytestmark = pytest.mark.timeout(600)  # two rollouts per point, each a few seconds on a busy machine

STAGES = """{stages: [{mode: shadow, weight: 1.0, requests_min: 20, deadline_seconds: 60},
  {mode: canary, weight: 0.5, requests_min: 20, deadline_seconds: 60}]}"""
SOURCES = [*Path("tasks/rollout").glob("*.py"), *Path("flows").glob("*.py")]
POINTS = {name for path in SOURCES for name in re.findall(r'reached\("(release\.\w+)"', path.read_text())}
ABORTING = {"release.aborting", "release.aborted"}
OFTEN = ["release.stage_started", "release.promoted"]
AB = {"release.ab_asked"}
REST = sorted(POINTS - ABORTING - AB - set(OFTEN))


@pytest.fixture(scope="module")
def killables(prefect_api: None) -> Iterator[tuple[Killable, Killable]]:
    from prefect.settings import PREFECT_API_URL

    modules = ("flows.release", "tasks.monitoring.champion_comparison", "sklearn.linear_model", "skops.io")
    runs = (Killable(str(PREFECT_API_URL.value()), *modules), Killable(str(PREFECT_API_URL.value()), *modules))
    yield runs
    for each in runs:
        each.close()


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    return make_bench(tmp_path, monkeypatch, STAGES)


def roll_out(killable: Killable, model: ModelRef, point: str | None = None, **changed: object) -> Ended:
    environment = {name: value for name, value in os.environ.items() if name.startswith("AUTOPILOT_")}
    arguments = {"pipeline": PIPELINE, "digest": model.digest, "approved_by": "Ada", **changed}
    return killable.run(Order("flows.release:release", arguments, environment, point))


@pytest.mark.parametrize("points", [OFTEN, pytest.param(REST, marks=pytest.mark.drill)], ids=["often", "rest"])
def test_a_rollout_killed_anywhere_is_finished_by_the_next_run_while_clients_are_answered(bench, killables, points):
    champion = bench.publish(0)
    bootstrap(bench.root, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        with traffic(gateway) as codes:
            for number, point in enumerate(points, start=1):
                major = publish_tiny_model(bench.root, bench.keys, version=f"{number}.0.0", seed=number)
                killed = roll_out(killables[0], major, point)
                assert killed.killed, f"{point} never fired: {killed}"
                assert bench.current.champion in (champion, major)
                ended = roll_out(killables[0], major)
                assert (ended.killed, ended.error) == (False, ""), f"after {point}: {ended}"
                assert (bench.current.champion, bench.current.challenger) == (major, None), f"after {point}"
                gateway.wait_for_generation(bench.current.generation)
                champion = major
    assert set(codes) == {200}
    releases = bench.log.history()
    assert [release.reason for release in releases] == [
        Reason.BOOTSTRAP,
        *(Reason.SHADOW, Reason.CANARY, Reason.PROMOTE) * len(points),
    ]
    assert all("approved by Ada" in release.note for release in releases if release.reason is Reason.PROMOTE)
    with bench.ledger() as ledger:
        announced = {entry.detail["generation"] for entry in ledger.entries(PIPELINE, "release.committed", limit=100)}
    assert announced >= {release.generation for release in releases[1:]}


@pytest.mark.parametrize("point", ["release.aborted", pytest.param("release.aborting", marks=pytest.mark.drill)])
def test_an_abort_killed_anywhere_is_recorded_by_the_next_run(bench, killables, point):
    champion = bench.publish(1)
    failing = bench.publish(2, estimator=raising_estimator(2))
    bootstrap(bench.root, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        with traffic(gateway, carrier="ZZ") as codes:
            assert roll_out(killables[0], failing, point).killed
            again = roll_out(killables[0], failing)
    assert set(codes) == {200}
    assert again.error.startswith("IllegalTransition"), again
    assert "fenced by" in again.error
    assert (bench.current.champion, bench.current.challenger, bench.current.reason) == (champion, None, Reason.ABORT)
    with bench.ledger() as ledger:
        (incident,) = ledger.incidents(PIPELINE)
    assert (incident.subject, incident.status) == (failing.digest, Status.RECOVERED)


def test_the_next_controller_ends_a_killed_ones_ab_test_by_the_rules_in_the_log(tmp_path, monkeypatch, killables):
    bench = make_bench(tmp_path, monkeypatch, AB_SECTION)
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        with shoppers(gateway, better=candidate.version):
            killed = roll_out(killables[0], candidate, *AB, ab={"ends": "when_decided"})
            assert killed.killed, killed
            trial = bench.current.challenger
            assert trial is not None
            assert trial.ab is not None
            ended = roll_out(killables[0], candidate)  # as `heal` resumes it, without the rules of the order
    assert (ended.killed, ended.error) == (False, ""), ended
    assert [each.reason for each in bench.log.history()] == [Reason.BOOTSTRAP, Reason.CANARY, Reason.PROMOTE]
    assert bench.current.champion == candidate


def test_of_two_controllers_at_once_one_continues_and_the_other_raises_conflict(bench, killables):
    champion, candidate, other = bench.publish(1), bench.publish(2), bench.publish(3)
    bootstrap(bench.root, champion)
    ended: list[Ended] = []
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        first = Thread(target=lambda: ended.append(roll_out(killables[0], candidate)))
        first.start()
        wait_until(lambda: bench.log.latest_generation() == 2, "the first has put its model on trial")
        second = roll_out(killables[1], other)
        with traffic(gateway):
            first.join(120)
    assert second.error.startswith("Conflict: another rollout of tiny is running"), second
    assert [(run.killed, run.error) for run in ended] == [(False, "")]
    assert bench.current.champion == candidate
