"""The gateway's own segments, read as the gateway reads them, with a double of its operate port around them."""

import json
import threading
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from chaos.faults.spoiled_log import LINES_MIN, prepare
from chaos.lab import Lab
from gateway.log.segments import Segments, encode_line
from tests.chaos.gateway_double import home_of
from tests.chaos.standin import JsonServer

ENTRIES = 40


@contextmanager
def gateway_with_log(folder, entries=ENTRIES):
    """A lab whose gateway answers `/predictions` from a log on disk; and that log."""
    log = Segments(folder / "home" / "gateway" / "flights", "predictions", 10**6)
    log.open()
    for number in range(1, entries + 1):
        log.append(number, encode_line((number, f"request-{number}", 0)))

    def route(method, path, headers, body):
        asked = parse_qs(urlsplit(path).query)
        after, limit = int(asked["after"][0]), int(asked["limit"][0])
        (entry,) = list(log.read(after, limit)) or [[0]]
        return 200, {}, {"seq": entry[0]}

    with JsonServer(route) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = home_of(folder / "home", server.url)
        try:
            yield Lab.open(home, "flights", home / "drills" / "one"), log
        finally:
            server.shutdown()


def test_a_reader_does_not_get_the_entry_until_the_undo_and_gets_all_others(tmp_path):
    with gateway_with_log(tmp_path) as (lab, log):
        fault = prepare(lab)
        assert not fault.active()
        fault.inject()
        assert fault.active()
        log.append(ENTRIES + 1, encode_line((ENTRIES + 1, "later", 0)))  # into the same file
        read = [entry[0] for entry in log.read(0, 1000)]
        assert read == [number for number in range(1, ENTRIES + 2) if number != fault.seq]
        assert log.unsound
        fault.undo()
        fault.undo()
        assert not fault.active()
        assert log.unsound == {}
        assert [entry[0] for entry in log.read(0, 1000)] == list(range(1, ENTRIES + 2))


def test_an_undo_after_the_segment_was_drained_does_nothing(tmp_path):
    with gateway_with_log(tmp_path) as (lab, _):
        fault = prepare(lab)
        fault.path.unlink()
        fault.undo()
        assert not fault.path.exists()


def test_a_log_with_too_few_entries_is_refused(tmp_path):
    with gateway_with_log(tmp_path, entries=LINES_MIN - 1) as (lab, _), pytest.raises(LookupError, match="found 19"):
        prepare(lab)


def test_the_lease_of_such_a_fault_can_be_read_again(tmp_path):
    with gateway_with_log(tmp_path) as (lab, _):
        fault = prepare(lab)
        assert type(fault).model_validate_json(json.dumps(fault.model_dump(mode="json"))) == fault
