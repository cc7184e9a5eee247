"""A gateway that requires signatures serves on when somebody forges a release, and says so."""

from functools import partial

import pytest

from healing.release import Challenger, Mode, Reason, Release
from healing.trial_rules import DEFAULT_RULES
from releases.log import ReleaseLog, abort_of, promotion_of, trial_of
from releases.release_signature import sign_release
from releases.signing import ensure_keys
from releases.trusted_log import Signatures, TrustedLog
from tests.gateway.running import run_gateway, wait_until
from tests.published import BASELINE, NOW, PIPELINE, publish_tiny_model

pytestmark = pytest.mark.timeout(300)  # see test_faults


def test_a_forged_promotion_is_refused_and_reported_while_the_champion_serves(root, keys, state_dir, tmp_path):
    champion, challenger = (publish_tiny_model(root, keys, version=f"1.0.{n}", seed=n) for n in (1, 2))
    log = ReleaseLog(root)
    trusted = TrustedLog(log, keys.public, Signatures.REQUIRED)
    first = Release(1, NOW, PIPELINE, "release", Reason.BOOTSTRAP, champion, BASELINE)
    trusted.append(first, keys)
    trial = Challenger(challenger, Mode.CANARY, 0.0, DEFAULT_RULES)
    trusted.append(trial_of(first, trial, author="release", now=NOW), keys)
    document = root / "log" / "00000003.json"

    def told() -> str:
        return " ".join(p["message"] for p in gateway.release()["problems"] if p["subject"] == str(root))

    with run_gateway(root, keys, state_dir, "--release-signatures", "required") as gateway:
        gateway.wait_for_generation(2)
        gateway.wait_for_worker(champion.digest)
        theirs = ensure_keys(tmp_path / "theirs")
        promoted = promotion_of(log.current(), author="release", now=NOW)
        by_them = partial(sign_release, private_key=theirs.private)
        for sign, why in ((None, "is not signed"), (by_them, "is not valid")):
            log.append(promoted, sign)
            wait_until(lambda why=why: why in told(), "the forgery is reported")
            reply = gateway.ask()
            assert (reply.headers["x-rung"], reply.headers["x-release-generation"]) == ("champion", "2")
            assert "release 2 goes on serving" in told()
            assert ("unknown", str(root)) in gateway.problems()
            document.unlink()
            wait_until(lambda: told() == "", "the report ends with the forgery")
        log.append(abort_of(log.current(), author="gateway", now=NOW, note="errors", fence=True))
        gateway.wait_for_generation(3)
        assert gateway.release()["release"]["challenger"] is None
        assert told() == ""
        assert gateway.ask().headers["x-model-digest"] == champion.digest
