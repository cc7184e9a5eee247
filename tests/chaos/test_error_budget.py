from chaos.error_budget import ErrorBudget
from chaos.load.answer import Exchange
from chaos.record import ANSWERS, AnswerLog


def record(directory, *statuses):
    log = AnswerLog(directory)
    for index, status in enumerate(statuses):
        log(Exchange(index, "0", 0.0, 0.0, 1.0, status, b"HTTP/1.1 200 OK", b'{"predictions": [0.5]}'))
    log.close()


def test_failed_and_lost_requests_count_once_and_more_than_allowed_spend_it(tmp_path):
    budget = ErrorBudget(tmp_path, requests_max=2)
    assert not budget.is_spent()
    record(tmp_path, 200, 503, 200, None)
    assert not budget.is_spent()
    assert not budget.is_spent()
    assert budget.failed == 2
    record(tmp_path, 500)
    assert budget.is_spent()


def test_a_line_that_is_not_complete_yet_is_counted_later(tmp_path):
    record(tmp_path, 503)
    file = tmp_path / ANSWERS
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    budget = ErrorBudget(tmp_path, requests_max=0)
    assert not budget.is_spent()
    file.write_bytes(whole)
    assert budget.is_spent()
