"""A gateway serves from its own copies while the release root is away, and says so."""

import os
import shutil
import signal

import pytest

from healing.release import Reason
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, end_trial, publish_tiny_model, start_canary

pytestmark = pytest.mark.timeout(300)  # see test_faults


@pytest.fixture
def two_models(root, keys):
    """A champion and a warm fallback, released."""
    champion, fallback = (publish_tiny_model(root, keys, version=f"1.0.{n}", seed=n) for n in (1, 2))
    bootstrap(root, champion, fallbacks=(fallback,))
    return champion, fallback


def wait_until_warm(gateway, models):
    gateway.wait_for_generation(1)
    for model in models:
        gateway.wait_for_worker(model.digest)


def away(gateway, root):
    return ("store_unavailable", str(root)) in gateway.problems()


def test_without_the_release_root_it_starts_serves_the_last_release_and_follows_the_log_when_it_is_back(
    root, keys, state_dir, two_models
):
    champion, fallback = two_models
    with run_gateway(root, keys, state_dir) as gateway:
        wait_until_warm(gateway, two_models)
        expected = gateway.ask([["AA", 1.0, 3]]).json()
        wait_until(lambda: list((state_dir / "cache" / "log").glob("*.json")), "the release is kept")
        assert gateway.stop() == 0
    root.rename(root.with_name("elsewhere"))
    with run_gateway(root, keys, state_dir) as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        gateway.wait_for_worker(champion.digest)
        reply = gateway.ask([["AA", 1.0, 3]])
        assert (reply.headers["x-rung"], reply.headers["x-release-generation"]) == ("champion", "1")
        assert reply.json() == expected
        assert away(gateway, root)
        (told,) = (p["message"] for p in gateway.release()["problems"] if p["subject"] == str(root))
        assert "serving release 1 from this gateway's copy" in told
        root.with_name("elsewhere").rename(root)
        wait_until(lambda: not away(gateway, root), "the root is seen again")
        release = end_trial(root, reason=Reason.ROLLBACK, champion=fallback)
        gateway.wait_for_generation(release.generation)
        wait_until(lambda: gateway.problems() == set(), "the next audit of the models finds the root, too")


def test_a_root_that_goes_away_under_load_costs_nothing_and_a_killed_worker_returns_from_the_copy(
    root, keys, state_dir, two_models
):
    champion, _ = two_models
    with run_gateway(root, keys, state_dir) as gateway:
        wait_until_warm(gateway, two_models)
        with keep_asking(gateway) as load:
            load.wait_for(20, "champion")
            shutil.rmtree(root)
            wait_until(lambda: away(gateway, root), "it is told")
            killed = gateway.worker(champion.digest)["pid"]
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: gateway.worker(champion.digest)["pid"] not in (killed, None), "another worker starts")
            gateway.wait_for_worker(champion.digest)
            load.wait_for(20, "champion")
        assert load.failed == []
        assert load.rungs["baseline"] == 0


def test_only_what_the_release_on_duty_names_is_kept(root, keys, state_dir, two_models):
    _, fallback = two_models
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(1)
        challenger = publish_tiny_model(root, keys, version="1.0.3", seed=3)
        gateway.wait_for_generation(start_canary(root, challenger, 0.1).generation)
        last = end_trial(root, reason=Reason.ROLLBACK, champion=fallback)
        gateway.wait_for_generation(last.generation)
        kept = state_dir / "cache" / "models"
        wait_until(lambda: [entry.name for entry in kept.iterdir()] == [fallback.digest], "the others are forgotten")


def test_a_copy_that_rots_is_made_again(root, keys, state_dir, two_models):
    champion, _ = two_models
    copy = state_dir / "cache" / "models" / champion.digest / "model.skops"
    with run_gateway(root, keys, state_dir) as gateway:
        wait_until_warm(gateway, two_models)
        killed = gateway.worker(champion.digest)["pid"]
        sound = copy.read_bytes()
        copy.write_bytes(b"rot" + sound)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: gateway.worker(champion.digest)["pid"] not in (killed, None), "another worker starts")
        gateway.wait_for_worker(champion.digest)
        assert copy.read_bytes() == sound
        assert gateway.problems() == set()


def test_published_bytes_that_rot_are_told_while_the_champion_goes_on_and_forgotten_when_they_return(
    root, keys, state_dir, two_models
):
    champion, _ = two_models
    with run_gateway(root, keys, state_dir, "--model-audit-seconds", "0.1") as gateway:
        wait_until_warm(gateway, two_models)
        file = root / "models" / champion.digest / "model.skops"
        sound = file.read_bytes()
        with keep_asking(gateway) as load:
            load.wait_for(10, "champion")
            file.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
            wait_until(lambda: ("model_corrupt", champion.digest) in gateway.problems(), "it is told")
            load.wait_for(20, "champion")
            file.write_bytes(sound)
            wait_until(lambda: gateway.problems() == set(), "it is forgotten")
        assert load.rungs == {"champion": len(load.replies)}


def test_a_stray_file_in_its_own_copy_of_the_log_does_not_keep_it_from_following_the_log(
    root, keys, state_dir, two_models
):
    champion, _ = two_models
    with run_gateway(root, keys, state_dir) as gateway:
        wait_until_warm(gateway, two_models)
        wait_until(lambda: list((state_dir / "cache" / "log").glob("*.json")), "the release is kept")
        assert gateway.stop() == 0
    (state_dir / "cache" / "log" / "1x.json").write_text("{}")
    root.rename(root.with_name("elsewhere"))
    with run_gateway(root, keys, state_dir) as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves", seconds=30)
        root.with_name("elsewhere").rename(root)
        wait_until(lambda: not away(gateway, root), "the root is seen again", seconds=30)
        assert gateway.ask().headers["x-model-digest"] == champion.digest
        loops = gateway.operate.get("/health").json()["loops"]
        assert loops["release-watch"]["runs"] > 0
        assert loops["release-watch"]["seconds_since_run"] < 30


def test_a_release_root_that_hangs_is_reported_and_followed_again_when_it_answers(root, keys, state_dir, two_models):
    _, fallback = two_models
    with run_gateway(root, keys, state_dir) as gateway:
        wait_until_warm(gateway, two_models)
        hanging = root / "log" / "00000002.json"
        os.mkfifo(hanging)  # opening it for reading blocks until somebody writes, as a mount that hangs does
        wait_until(lambda: away(gateway, root), "it is reported", seconds=40)
        assert gateway.ask().headers["x-rung"] == "champion"
        hanging.unlink()
        release = end_trial(root, reason=Reason.ROLLBACK, champion=fallback)
        gateway.wait_for_generation(release.generation)
        wait_until(lambda: not away(gateway, root), "the problem ends")
        assert gateway.stop() == 0
