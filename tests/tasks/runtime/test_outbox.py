"""The outbox sends a message once per route, whatever is killed, full, or slow."""

import os
import threading
import time

import pytest

from tasks.runtime import outbox
from tasks.runtime.outbox import KEPT_SECONDS, Message, Outbox


def message(key="1", at="2026-01-01", routes=("file", "mail")):
    return Message(key, {"at": at}, "title", "body", dict.fromkeys(routes, False))


class Routes:
    """Routes that count what they accept; those in `down` accept nothing."""

    def __init__(self, *down):
        self.down = set(down)
        self.accepted = []
        self.tried = []

    def __call__(self, route, message):
        self.tried.append((route, message.key))
        if route in self.down:
            return False
        self.accepted.append((route, message.key))
        return True


def test_a_message_that_is_sent_again_reaches_only_the_routes_that_missed_it(tmp_path):
    routes = Routes("mail")
    assert not Outbox(tmp_path).send(message(), routes).is_sent
    routes.down.clear()
    assert Outbox(tmp_path).send(message(), routes).is_sent
    assert Outbox(tmp_path).send(message(), routes).is_sent
    assert routes.accepted == [("file", "1"), ("mail", "1")]


def test_a_process_that_is_killed_between_two_routes_repeats_none(tmp_path):
    routes = Routes()

    def killed(route, each):
        if route == "mail":
            raise KeyboardInterrupt
        return routes(route, each)

    with pytest.raises(KeyboardInterrupt):
        Outbox(tmp_path).send(message(), killed)
    assert Outbox(tmp_path).resend(routes) == 0
    assert routes.accepted == [("file", "1"), ("mail", "1")]


def test_a_route_that_fails_is_not_tried_for_every_kept_message(tmp_path):
    routes = Routes("mail")
    for key in "123":
        Outbox(tmp_path).send(message(key), routes)
    routes.tried.clear()
    assert Outbox(tmp_path).resend(routes) == 3
    assert [route for route, _ in routes.tried] == ["mail"]


def test_kept_messages_are_sent_in_the_order_of_time(tmp_path):
    routes = Routes("file", "mail")
    Outbox(tmp_path).send(message("later", "2026-01-02"), routes)
    Outbox(tmp_path).send(message("earlier", "2026-01-01"), routes)
    routes.down.clear()
    assert Outbox(tmp_path).resend(routes) == 0
    assert [key for _, key in routes.accepted] == ["earlier", "earlier", "later", "later"]


def test_two_processes_do_not_send_the_same_message(tmp_path):
    routes, is_sending, may_end = Routes(), threading.Event(), threading.Event()

    def slow(route, each):
        is_sending.set()
        assert may_end.wait(60)
        return routes(route, each)

    first = threading.Thread(target=Outbox(tmp_path).send, args=(message(), slow))
    first.start()
    assert is_sending.wait(60)
    assert Outbox(tmp_path).resend(routes) == 0
    assert routes.tried == []
    may_end.set()
    first.join()
    assert routes.accepted == [("file", "1"), ("mail", "1")]


def test_a_sent_message_is_forgotten_after_a_day(tmp_path):
    routes = Routes()
    Outbox(tmp_path).send(message(), routes)
    [kept] = tmp_path.glob("*.json")
    Outbox(tmp_path).resend(routes)
    assert kept.exists()
    old = time.time() - KEPT_SECONDS - 60
    os.utime(kept, (old, old))
    assert Outbox(tmp_path).resend(routes) == 0
    assert list(tmp_path.iterdir()) == []
    assert len(routes.accepted) == 2


def test_without_a_disk_a_message_is_remembered_in_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox, "_unwritten", {})
    (tmp_path / "outbox").write_text("no folder can be made here")
    routes = Routes("mail")
    kept = Outbox(tmp_path / "outbox")
    kept.send(message(), routes)
    routes.down.clear()
    assert kept.resend(routes) == 0
    assert kept.send(message(), routes).is_sent
    assert routes.accepted == [("file", "1"), ("mail", "1")]


def test_a_message_of_an_earlier_version_is_sent(tmp_path):
    (tmp_path / "old.json").write_text('{"route": "mail", "entry": {"at": "2025"}, "title": "t", "body": "b"}')
    routes = Routes()
    assert Outbox(tmp_path).resend(routes) == 0
    assert routes.accepted == [("mail", "old")]


def test_a_damaged_file_stops_no_other_message(tmp_path):
    (tmp_path / "half.json").write_text('{"key": ')
    routes = Routes("mail")
    Outbox(tmp_path).send(message(), routes)
    routes.down.clear()
    assert Outbox(tmp_path).resend(routes) == 0
    assert ("mail", "1") in routes.accepted
