"""An alert reaches every route that works; what a route does not accept is kept and sent again."""

import http.server
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from healing.incident import Cause, Incident, Remedy, Status
from tasks.config.alert_routing import AlertKind, AlertRouting, RouteAddress
from tasks.config.settings import Settings
from tasks.runtime.alerts import AlertReport, alert, notify_over, request_approval, resend_kept

NOW = datetime(2013, 6, 1, tzinfo=UTC)
INCIDENT = Incident("i-1", "flights", Cause.MODEL_CORRUPT, "abc", Status.HEALING, NOW)


def settings(tmp_path, *urls):
    return Settings(home=tmp_path / "home", alert_urls=tuple(SecretStr(url) for url in urls))


def entries(settings):
    return [json.loads(line) for line in settings.alerts_file.read_text().splitlines()]


class Receiver:
    """A real HTTP server that an Apprise `json://` URL posts to; `accepting` decides about its answers."""

    def __enter__(self):
        received, receiver = [], self
        self.received, self.accepting = received, True

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.accepting:
                    received.append(json.loads(body))
                self.send_response(200 if receiver.accepting else 500)
                self.end_headers()

            def log_message(self, *_):
                """Keep the test's output clean."""

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.url = f"json://127.0.0.1:{self.server.server_port}/"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_the_file_has_one_line_per_alert(tmp_path):
    found = settings(tmp_path)
    assert alert(found, INCIDENT, "no model is intact", NOW) == AlertReport(1, 0)
    alert(found, INCIDENT, "again", NOW)
    assert [entry["reason"] for entry in entries(found)] == ["no model is intact", "again"]
    assert entries(found)[0]["cause"] == "model_corrupt"


def test_people_learn_that_it_is_over(tmp_path):
    found = settings(tmp_path)
    notify_over(found, INCIDENT, "another model serves", NOW)
    assert entries(found)[0]["over"] is True


def test_an_unusable_address_is_counted_and_the_other_routes_get_the_alert(tmp_path):
    with Receiver() as receiver:
        found = settings(tmp_path, "nonsense", receiver.url)
        assert alert(found, INCIDENT, "why", NOW) == AlertReport(delivered=2, undelivered=1)
        assert "needs a person" in receiver.received[0]["title"]
    assert len(entries(found)) == 1


def test_a_full_disk_stops_no_alert(tmp_path):
    with Receiver() as receiver:
        found = settings(tmp_path, receiver.url)
        found.home.mkdir()
        found.alerts_file.symlink_to("/dev/full")
        assert alert(found, INCIDENT, "why", NOW) == AlertReport(delivered=1, undelivered=1)
        assert len(receiver.received) == 1


def test_what_a_route_did_not_accept_is_sent_once_it_works(tmp_path):
    with Receiver() as receiver:
        found = settings(tmp_path, receiver.url)
        receiver.accepting = False
        assert alert(found, INCIDENT, "why", NOW) == AlertReport(delivered=1, undelivered=1)
        assert resend_kept(found, AlertRouting()) == 1
        receiver.accepting = True
        assert resend_kept(found, AlertRouting()) == 0
        assert len(receiver.received) == 1
        assert resend_kept(found, AlertRouting()) == 0
        assert len(receiver.received) == 1
    assert len(entries(found)) == 1, "the file had accepted it the first time"


def test_no_secret_is_kept_on_disk(tmp_path):
    found = settings(tmp_path, "json://user:s3cret@127.0.0.1:9/")
    alert(found, INCIDENT, "why", NOW)
    kept = list((found.home / "outbox").glob("*.json"))
    assert len(kept) == 1
    assert "s3cret" not in kept[0].read_text()


@pytest.mark.parametrize("home", ["file"])
def test_without_any_place_on_disk_the_message_waits_in_memory(tmp_path, home):
    (tmp_path / home).write_text("")
    with Receiver() as receiver:
        receiver.accepting = False
        found = Settings(home=tmp_path / home, alert_urls=(SecretStr(receiver.url),))
        assert alert(found, INCIDENT, "why", NOW) == AlertReport(0, 2)
        receiver.accepting = True
        resend_kept(found, AlertRouting())
        assert len(receiver.received) == 1


def routed(*names, **addresses):
    return AlertRouting(
        {
            name: RouteAddress(url=SecretStr(url)) if url else RouteAddress(env="NO_SUCH_URL")
            for name, url in addresses.items()
        },
        dict.fromkeys(AlertKind, tuple(names)),
    )


def test_a_message_goes_by_the_routes_of_its_kind_and_cause(tmp_path):
    with Receiver() as pager, Receiver() as mail, Receiver() as default:
        routing = AlertRouting(
            {"pager": RouteAddress(url=SecretStr(pager.url)), "mail": RouteAddress(url=SecretStr(mail.url))},
            {**AlertRouting().by_kind, AlertKind.OVER: ("mail",)},
            {Cause.MODEL_CORRUPT: {AlertKind.ESCALATION: ("pager", "default")}},
        )
        found = settings(tmp_path, default.url)
        assert alert(found, INCIDENT, "why", NOW, routing) == AlertReport(3, 0)
        assert notify_over(found, INCIDENT, "it is over", NOW, routing) == AlertReport(2, 0)
        assert request_approval(found, INCIDENT, 2, Remedy.ROLLBACK, NOW, routing) == AlertReport(2, 0)
    assert [each["title"] for each in pager.received] == ["flights: model_corrupt needs a person"]
    assert [each["title"] for each in mail.received] == ["flights: model_corrupt is over"]
    assert ["needs a person" in each["title"] for each in default.received] == [True, False]
    assert "autopilot incident approve flights i-1 --remedy rollback --by NAME" in default.received[1]["message"]


def test_an_address_with_two_names_gets_a_message_once(tmp_path):
    with Receiver() as receiver:
        routing = routed("first", "default", "second", first=receiver.url, second=receiver.url)
        assert alert(settings(tmp_path, receiver.url), INCIDENT, "why", NOW, routing) == AlertReport(2, 0)
        assert len(receiver.received) == 1


def test_the_same_question_after_a_crash_is_sent_once(tmp_path):
    found = settings(tmp_path)
    for _ in range(2):
        request_approval(found, INCIDENT, 1, Remedy.ROLLBACK, NOW)
    request_approval(found, INCIDENT, 2, Remedy.ROLLBACK, NOW)
    assert [entry["attempt"] for entry in entries(found)] == [1, 2]


def test_a_route_gets_its_message_once_its_address_is_known(tmp_path, monkeypatch):
    with Receiver() as receiver:
        found, routing = settings(tmp_path), routed("pager", pager=None)
        assert alert(found, INCIDENT, "why", NOW, routing) == AlertReport(1, 1)
        assert resend_kept(found, routing) == 1
        monkeypatch.setenv("NO_SUCH_URL", receiver.url)
        assert resend_kept(found, routing) == 0
        assert resend_kept(found, routing) == 0
        assert len(receiver.received) == 1


def test_each_route_is_retried_by_itself(tmp_path):
    with Receiver() as pager, Receiver() as mail:
        found, routing = settings(tmp_path), routed("pager", "mail", pager=pager.url, mail=mail.url)
        pager.accepting = False
        assert alert(found, INCIDENT, "why", NOW, routing) == AlertReport(2, 1)
        pager.accepting, mail.accepting = True, False
        assert resend_kept(found, routing) == 0
        assert (len(pager.received), len(mail.received)) == (1, 1)


def test_a_reminder_is_a_message_of_its_own(tmp_path):
    found = settings(tmp_path)
    alert(found, INCIDENT, "why", NOW)
    alert(found, replace(INCIDENT, status=Status.ESCALATED), "why", NOW)
    assert len(entries(found)) == 2
