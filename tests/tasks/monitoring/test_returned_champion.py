"""A champion that returned is judged from the days on which it won, if the day in question is not before them."""

from types import SimpleNamespace

from tasks.config.monitor_section import Monitor
from tasks.ledger.store import Ledger
from tasks.monitoring.monitored_model import MonitoredModel
from tasks.monitoring.returned_champion import RETURNING, as_accepted
from tests.toy import day_of

PIPELINE, DIGEST = "toy", "a" * 64


def model(until):
    manifest = SimpleNamespace(pipeline=PIPELINE)
    champion = SimpleNamespace(digest=DIGEST, manifest=manifest)
    return MonitoredModel(champion, SimpleNamespace(), day_of(until), day_of(20), Monitor(), answers="of its fit")


def ledger_with(tmp_path, *returns):
    dsn = f"sqlite:///{tmp_path}/ledger.db"
    with Ledger(dsn) as ledger:
        for digest, since, until in returns:
            days = {"accepted_from": day_of(since).isoformat(), "accepted_until": day_of(until).isoformat()}
            ledger.record_entry(PIPELINE, RETURNING, digest, days)
    return dsn


def accepted(tmp_path, until, *returns):
    found = as_accepted(ledger_with(tmp_path, *returns), model(until))
    return found.accepted_from, found.accepted_until


def test_the_last_return_counts(tmp_path):
    returns = [(DIGEST, 37, 50), (DIGEST, 77, 90), ("b" * 64, 97, 110)]
    assert accepted(tmp_path, 120, *returns) == (day_of(77), day_of(90))


def test_a_return_after_the_day_in_question_is_not_known_yet(tmp_path):
    assert accepted(tmp_path, 80, (DIGEST, 37, 50), (DIGEST, 77, 90)) == (day_of(37), day_of(50))


def test_a_champion_that_never_returned_stays_as_it_is(tmp_path):
    assert accepted(tmp_path, 120, ("b" * 64, 97, 110)) == (None, day_of(20))


def test_answers_of_its_fit_are_no_answers_of_the_days_on_which_it_won(tmp_path):
    assert as_accepted(ledger_with(tmp_path, (DIGEST, 37, 50)), model(120)).answers is None
