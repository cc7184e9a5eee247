"""The release log: append, conflict, transitions, fences, crashes and races."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from healing.ab_rules import ABRules, Better, Ends
from healing.errors import Conflict, IllegalTransition, LogCorrupt
from healing.release import FALLBACKS_MAX, Challenger, Mode, Reason
from releases.log import ReleaseLog, abort_of, promotion_of, rollback_of, trial_of
from tests.releases.documents import NOW, bootstrap, model

CANARY = Challenger(model("b", "1.0.1"), Mode.CANARY, 0.05)


@pytest.fixture
def log(tmp_path: Path) -> ReleaseLog:
    return ReleaseLog(tmp_path)


def test_an_empty_log_has_no_current_release(log):
    assert log.current() is None
    assert log.latest_generation() == 0
    assert log.history() == []


def test_appended_releases_are_read_back_unchanged(log):
    first = bootstrap()
    second = trial_of(first, CANARY, author="test", now=NOW, incident_id="i1", note="stage 1")
    third = promotion_of(second, author="test", now=NOW)
    for release in (first, second, third):
        log.append(release)
    assert log.history() == [first, second, third]
    assert log.current() == third
    assert third.champion == CANARY.model
    assert third.fallbacks == (first.champion,)


def test_the_rules_of_an_ab_test_are_in_the_log_and_no_other_release_has_their_field(log, tmp_path):
    """Older software refuses fields that it does not know, and may go on reading logs without an A/B test."""
    rules = ABRules("delay", -30.0, 600.0, Better.LOWER, None, 0.5, Ends.WHEN_DECIDED, 3600.0, 60.0, 30.0, 0.1)
    first = bootstrap()
    trial = trial_of(first, CANARY, author="test", now=NOW)
    split = trial_of(trial, replace(CANARY, weight=0.5, ab=rules), author="test", now=NOW)
    for release in (first, trial, split):
        log.append(release)
    assert log.history() == [first, trial, split]
    assert log.current().challenger.ab == rules
    fields = [json.loads(path.read_text())["challenger"] or {} for path in sorted((tmp_path / "log").glob("*.json"))]
    assert ["ab" in each for each in fields] == [False, False, True]


def test_a_document_with_rules_that_contradict_themselves_is_refused(log, tmp_path):
    first = bootstrap()
    log.append(first)
    split = Challenger(CANARY.model, Mode.CANARY, 0.5, ab=ABRules("delay", 0.0, 1.0))
    log.append(trial_of(first, split, author="test", now=NOW))
    path = max((tmp_path / "log").glob("*.json"))
    document = json.loads(path.read_text())
    document["challenger"]["ab"]["high"] = -1.0
    path.write_text(json.dumps(document))
    with pytest.raises(LogCorrupt, match="low < high"):
        ReleaseLog(tmp_path).current()


def test_a_stale_writer_gets_a_conflict_and_changes_nothing(log):
    first = bootstrap()
    log.append(first)
    trial = trial_of(first, CANARY, author="one", now=NOW)
    log.append(trial)
    with pytest.raises(Conflict, match="re-read the log"):
        log.append(trial_of(first, CANARY, author="two", now=NOW))
    assert log.current() == trial


def test_an_illegal_release_is_refused_and_nothing_is_written(log):
    first = bootstrap()
    log.append(first)
    with pytest.raises(IllegalTransition, match="keeps champion"):
        log.append(replace(first, generation=2, reason=Reason.REPUBLISH, champion=model("c")))
    assert log.latest_generation() == 1


def test_a_rollback_does_not_keep_the_replaced_champion_warm():
    trial = trial_of(bootstrap(), CANARY, author="test", now=NOW)
    promoted = promotion_of(trial, author="test", now=NOW)
    back = rollback_of(promoted, model("a"), 0.25, author="heal", now=NOW)
    assert back.champion == model("a")
    assert back.fallbacks == ()


def test_promotions_keep_a_bounded_number_of_old_champions_warm():
    release = bootstrap("0")
    for letter in "123456":
        trial = trial_of(release, Challenger(model(letter), Mode.CANARY, 0.1), author="t", now=NOW)
        release = promotion_of(trial, author="t", now=NOW)
    assert [m.digest[0] for m in release.fallbacks] == ["5", "4", "3"]
    assert len(release.fallbacks) == FALLBACKS_MAX


def test_an_abort_keeps_champion_and_fallbacks():
    trial = trial_of(bootstrap(), CANARY, author="t", now=NOW)
    aborted = abort_of(trial, author="gateway", now=NOW, note="e-process")
    assert (aborted.champion, aborted.challenger) == (model("a"), None)


def test_an_abort_may_fence_the_challenger_and_a_person_lifts_the_fence(log):
    first = bootstrap()
    trial = trial_of(first, CANARY, author="release", now=NOW)
    aborted = abort_of(trial, author="gateway", now=NOW, note="errors: 9 of 30 requests failed", fence=True)
    with pytest.raises(IllegalTransition, match="fenced by gateway"):
        trial_of(aborted, CANARY, author="release", now=NOW)
    again = trial_of(aborted, CANARY, author="release", now=NOW, unfenced_by="Ada Lovelace")
    heavier = trial_of(again, replace(CANARY, weight=0.25), author="release", now=NOW, unfenced_by="Ada Lovelace")
    promoted = promotion_of(heavier, author="release", now=NOW)
    for release in (first, trial, aborted, again, heavier, promoted):
        log.append(release)
    assert [f.why for f in log.read(3).fenced] == ["errors: 9 of 30 requests failed"]
    assert [release.unfenced_by for release in log.history()[3:]] == ["Ada Lovelace", None, None]


def test_a_rollback_fences_the_old_champion_and_keeps_unfenced_models_warm():
    trial = trial_of(bootstrap(), CANARY, author="t", now=NOW)
    promoted = promotion_of(trial, author="t", now=NOW)
    warm = [model("b", "1.0.1"), model("a"), model("c")]
    back = rollback_of(promoted, model("a"), 0.25, author="heal", now=NOW, note="why", fallbacks=warm)
    assert back.fallbacks == (model("c"),)
    assert [(f.digest, f.by, f.why) for f in back.fenced] == [(CANARY.model.digest, "heal", "why")]


def test_a_document_older_than_fences_is_read(log, tmp_path):
    log.append(bootstrap())
    path = tmp_path / "log" / "00000001.json"
    document = json.loads(path.read_text())
    del document["fenced"], document["unfenced_by"]
    path.write_text(json.dumps(document))
    assert log.current() == bootstrap()


def test_a_damaged_document_is_named(log, tmp_path):
    log.append(bootstrap())
    path = tmp_path / "log" / "00000001.json"
    document = json.loads(path.read_text()) | {"weight": 3}
    path.write_text(json.dumps(document))
    with pytest.raises(LogCorrupt, match=r"00000001\.json.*weight"):
        log.current()


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from releases.log import ReleaseLog
from tests.releases.documents import bootstrap
link, moment = os.link, sys.argv[2]
def killed_link(*names):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    link(*names)
    os.kill(os.getpid(), signal.SIGKILL)
os.link = killed_link
ReleaseLog(Path(sys.argv[1])).append(bootstrap())
"""


@pytest.mark.parametrize(("moment", "generation"), [("before", 0), ("after", 1)])
def test_a_writer_killed_around_the_commit_leaves_the_old_release_or_the_new(log, tmp_path, moment, generation):
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(tmp_path), moment], check=False)
    assert killed.returncode == -9
    assert log.latest_generation() == generation
    if generation:
        assert log.current() == bootstrap()
    else:
        log.append(bootstrap())
    assert log.current() == bootstrap()


RACING_WRITER = """
import sys
from pathlib import Path
from dataclasses import replace
from healing.errors import Conflict
from healing.release import Reason
from releases.log import ReleaseLog
from tests.releases.documents import NOW
log, won = ReleaseLog(Path(sys.argv[1])), 0
while won < 30:
    current = log.current()
    try:
        log.append(replace(current, generation=current.generation + 1, reason=Reason.REPUBLISH, author=sys.argv[2]))
    except Conflict:
        continue
    won += 1
"""


def test_two_writers_never_both_commit_a_generation(log, tmp_path):
    log.append(bootstrap())
    writers = [subprocess.Popen([sys.executable, "-c", RACING_WRITER, str(tmp_path), name]) for name in ("x", "y")]
    try:
        assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    authors = [release.author for release in log.history()[1:]]
    assert len(authors) == 60
    assert authors.count("x") == authors.count("y") == 30
    assert not list((tmp_path / "log").glob(".*"))
