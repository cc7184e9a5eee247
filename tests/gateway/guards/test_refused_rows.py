from gateway.guards.refused_rows import RefusedRows


def test_a_version_that_refuses_most_of_many_rows_is_to_blame():
    rows = RefusedRows()
    blamed = [rows.refused(number, None) for number in range(30)]
    assert blamed == [False] * 19 + [True] * 11


def test_one_row_that_is_sent_again_and_again_is_not_the_versions_fault():
    rows = RefusedRows()
    assert not any(rows.refused("the same", f"client {number}") for number in range(1000))


def test_few_odd_rows_among_sound_ones_are_not_the_versions_fault():
    rows = RefusedRows()
    for number in range(100):
        rows.answered(("sound", number), None)
    assert not any(rows.refused(("odd", number), None) for number in range(90))


def test_odd_rows_of_one_client_among_several_are_not_the_versions_fault():
    rows = RefusedRows()
    for client in ("a", "b", "c"):
        rows.answered(client, client)
    assert not any(rows.refused(number, "d") for number in range(100))


def test_rows_that_were_refused_long_ago_are_forgotten():
    rows = RefusedRows()
    for number in range(100):
        rows.refused(("old", number), None)
    for number in range(200):
        rows.answered(("new", number), None)
    assert not rows.refused("another", None)
