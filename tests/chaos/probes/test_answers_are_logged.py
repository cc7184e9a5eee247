import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from chaos.load.answer import Answer, to_line
from chaos.probes import answers_are_logged as probe
from chaos.probes.answers_are_logged import UNLOGGED, answers_are_logged
from chaos.record import ANSWERS, recall
from tests.chaos.gateway_double import home_of
from tests.chaos.standin import JsonServer


def answer(number, status=200):
    return to_line(Answer(number, "0", 1.0, 1.0, 2.0, status, request_id=f"r{number}"))


@pytest.mark.parametrize(("logged", "missing"), [(range(1, 6), 0), ([1, 2, 4], 1), ([], 4)])
def test_each_answer_of_the_load_is_looked_for_on_every_page_of_the_log(tmp_path, monkeypatch, logged, missing):
    """The double gives one entry per page; request 5 was refused, so that it need not be in the log."""
    monkeypatch.setattr(probe, "PAGE_ROWS", 1)

    def route(method, path, headers, body):
        after = int(parse_qs(urlsplit(path).query)["after"][0])
        following = next((number for number in logged if number > after), None)
        return 200, {}, None if following is None else {"seq": following, "request_id": f"r{following}"}

    with JsonServer(route) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = home_of(tmp_path / "home", server.url)
        directory = home / "drills" / "one"
        directory.mkdir(parents=True)
        answers = [answer(number) for number in range(1, 5)] + [answer(5, 503)]
        (directory / ANSWERS).write_bytes(b"".join(answers))
        configuration = {"home": str(home), "pipeline": "flights", "drill_dir": str(directory)}
        assert answers_are_logged(configuration) is (missing == 0)
        assert recall(directory, UNLOGGED) == missing
        server.shutdown()
