from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from healing.errors import LogCorrupt
from healing.fence import Fence
from healing.release import Challenger, Mode, ModelRef, Reason, Release
from healing.trial_rules import DEFAULT_RULES
from releases.document import decode_release, encode_release, signed_content
from releases.log import ReleaseLog, abort_of, promotion_of, rollback_of, trial_of
from releases.release_signature import is_signed_by, sign_release
from releases.signing import ensure_keys
from releases.trusted_log import Signatures, TrustedLog
from tests.published import NOW

CHAMPION, CHALLENGER, OTHER = (ModelRef(letter * 64, f"1.0.{n}") for n, letter in enumerate("abc"))
FIRST = Release(1, NOW, "tiny", "release", Reason.BOOTSTRAP, CHAMPION, 0.25, fallbacks=(OTHER,))
TRIAL = Challenger(CHALLENGER, Mode.CANARY, 0.2, DEFAULT_RULES)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return ensure_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def trusted(tmp_path, keys):
    """A log with a signed first release and a signed trial."""
    trusted = TrustedLog(ReleaseLog(tmp_path), keys.public, Signatures.REQUIRED)
    trusted.append(FIRST, keys)
    trusted.append(trial_of(FIRST, TRIAL, author="release", now=NOW), keys)
    return trusted


def test_a_signature_is_of_everything_that_a_release_says(keys):
    signed = sign_release(trial_of(FIRST, TRIAL, author="release", now=NOW), keys.private)
    again = decode_release(encode_release(signed), "a test")
    assert (again, again.signature) == (signed, signed.signature)
    assert is_signed_by(again, keys.public)
    changed = [
        replace(signed, champion=OTHER, fallbacks=()),
        replace(signed, challenger=replace(TRIAL, weight=0.5)),
        replace(signed, baseline=0.5),
        replace(signed, generation=3),
        replace(signed, pipeline="other"),
        replace(signed, created_at=NOW + timedelta(seconds=1)),
        replace(signed, note="x"),
        replace(signed, signature=""),
        replace(signed, signature="nonsense"),
        replace(signed, signature=signed.signature[:-8] + "AAAAAAA="),
    ]
    assert not any(is_signed_by(release, keys.public) for release in changed)


def test_a_field_that_has_its_default_changes_no_signature():
    assert b"unfenced_by" not in signed_content(FIRST)
    assert b"challenger" not in signed_content(FIRST)


def test_a_release_made_from_a_signed_one_has_not_its_signature(trusted):
    trusted.log.append(abort_of(trusted.log.current(), author="gateway", now=NOW))
    assert [bool(release.signature) for release in trusted.log.history()] == [True, True, False]


def test_an_unsigned_document_is_written_as_before():
    assert b"signature" not in encode_release(FIRST)


def test_the_key_of_somebody_else_signs_nothing(tmp_path, keys):
    theirs = ensure_keys(tmp_path / "theirs")
    assert not is_signed_by(sign_release(FIRST, theirs.private), keys.public)


def test_the_newest_signed_release_is_obeyed(trusted):
    release, refused = trusted.newest(after=0)
    assert (release.generation, refused) == (2, "")
    assert trusted.newest(after=2) == (None, "")


@pytest.mark.parametrize("signatures", Signatures)
def test_an_unsigned_promotion_is_refused_where_signatures_are_required(trusted, signatures):
    trusted.log.append(promotion_of(trusted.log.current(), author="release", now=NOW))
    release, refused = replace(trusted, signatures=signatures).newest(after=0)
    if signatures is Signatures.REQUIRED:
        assert (release.generation, refused) == (2, "release 3 (promote by 'release') is not signed")
    else:
        assert (release.generation, refused) == (3, "")


@pytest.mark.parametrize("signatures", Signatures)
def test_a_wrong_signature_is_always_refused(tmp_path, trusted, signatures):
    theirs = ensure_keys(tmp_path / "theirs")
    promoted = promotion_of(trusted.log.current(), author="release", now=NOW)
    trusted.log.append(promoted, partial(sign_release, private_key=theirs.private))
    release, refused = replace(trusted, signatures=signatures).newest(after=1)
    assert release.generation == 2
    assert "the signature of release 3 (promote by 'release') is not valid" in refused


@pytest.mark.parametrize("fence", [False, True])
def test_an_abort_needs_no_signature(trusted, keys, fence):
    trusted.log.append(abort_of(trusted.log.current(), author="gateway", now=NOW, note="errors", fence=fence))
    release, refused = trusted.newest(after=0)
    assert (release.generation, release.challenger, refused) == (3, None, "")
    again = trial_of(release, Challenger(OTHER, Mode.SHADOW, 1.0, DEFAULT_RULES), author="release", now=NOW)
    trusted.append(again, keys)
    assert trusted.newest(after=0)[0].generation == 4


@pytest.mark.parametrize(
    "forged",
    [
        {"fallbacks": (ModelRef("d" * 64, "9.0.0"),)},
        {"fallbacks": ()},
        {"baseline": 0.9},
        {"fenced": (Fence("e" * 64, "1.0.9", NOW, "gateway", ""),)},
    ],
)
def test_an_abort_that_says_more_needs_a_signature(trusted, forged):
    aborted = abort_of(trusted.log.current(), author="gateway", now=NOW)
    trusted.log.append(replace(aborted, **forged))
    assert trusted.newest(after=0)[0].generation == 2


def test_an_abort_of_a_forged_trial_is_as_good_as_the_trial(tmp_path, keys):
    trusted = TrustedLog(ReleaseLog(tmp_path), keys.public, Signatures.REQUIRED)
    trusted.append(FIRST, keys)
    trusted.log.append(trial_of(FIRST, TRIAL, author="release", now=NOW))
    trusted.log.append(abort_of(trusted.log.current(), author="gateway", now=NOW))
    release, refused = trusted.newest(after=0)
    assert (release.generation, refused) == (1, "release 3 (abort by 'gateway') is not signed")


def test_the_gateway_may_undo_a_promotion_and_nothing_else(trusted, keys):
    trusted.append(promotion_of(trusted.log.current(), author="release", now=NOW), keys)
    promoted = trusted.log.current()
    undone = rollback_of(promoted, CHAMPION, 0.25, author="gateway", now=NOW, fallbacks=promoted.fallbacks)
    other = rollback_of(promoted, OTHER, 0.25, author="gateway", now=NOW, fallbacks=promoted.fallbacks)
    stranger = replace(undone, fallbacks=(ModelRef("d" * 64, "9.0.0"),))
    for release, obeyed in ((other, False), (stranger, False), (replace(undone, baseline=0.9), False), (undone, True)):
        assert (trusted.refusal(replace(release, signature="")) == "") is obeyed


def test_nothing_is_signed_on_top_of_what_is_not_obeyed(trusted, keys):
    trusted.log.append(promotion_of(trusted.log.current(), author="release", now=NOW))
    following = rollback_of(trusted.log.current(), CHAMPION, 0.25, author="rollback", now=NOW)
    with pytest.raises(LogCorrupt, match=r"release 3 \(promote by 'release'\) is not signed; find out who wrote it"):
        trusted.append(following, keys)
    assert trusted.log.latest_generation() == 3
