import random
from datetime import UTC, datetime

import pytest

from gateway.guards.window import STUCK_ROWS, WINDOW_REQUESTS, StuckOutput, VersionWindow
from releases.manifest import Golden, Manifest, ReferenceProfile
from tests.published import SCHEMA, tiny_rows

VARIED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.9, 1.0)


def manifest(quantiles=VARIED, outputs=(0.1, 0.2)):
    return Manifest(
        pipeline="tiny",
        version="0.1.0",
        created_at=datetime(2013, 3, 1, tzinfo=UTC),
        files={},
        trained_from="2013-01-01",
        trained_until="2013-02-01",
        code_revision="test",
        requirements_sha256="0" * 64,
        input_schema=SCHEMA,
        reference=ReferenceProfile(rows=100, prediction_quantiles=quantiles),
        golden=Golden(columns=SCHEMA.names, rows=tuple(("AA", 1.0, 1) for _ in outputs), outputs=outputs),
        baseline=0.2,
        training_seconds=1,
    )


def requests_until_stuck(stuck, values, rows):
    """How many one-row requests it took, or None."""
    return next(
        (n for n, (value, row) in enumerate(zip(values, rows, strict=True), 1) if stuck.take([row], [value])), None
    )


def test_one_answer_to_many_different_rows_is_stuck_until_another_answer_comes():
    stuck, rows = StuckOutput(manifest()), tiny_rows(2000)
    found = requests_until_stuck(stuck, [0.25] * 2000, rows)
    assert found is not None
    assert STUCK_ROWS <= found <= STUCK_ROWS + 2
    assert not stuck.take([rows[0]], [0.26])
    assert not stuck.take([rows[1]], [0.25])


def test_large_requests_are_seen_as_their_rows():
    stuck, rows = StuckOutput(manifest()), tiny_rows(100)
    assert [stuck.take(rows, [0.25] * 100) for _ in range(7)][-1]


def test_one_large_request_with_varied_answers_is_not_stuck():
    count = 2 * STUCK_ROWS
    stuck, rows = StuckOutput(manifest()), tiny_rows(count)
    assert not stuck.take(rows, [number / count for number in range(count)])
    assert not stuck.take(rows[:1], [0.25])


def test_the_same_row_asked_again_and_again_is_not_stuck():
    assert requests_until_stuck(StuckOutput(manifest()), [0.25] * 2000, tiny_rows(1) * 2000) is None


@pytest.mark.parametrize(
    "constant", [manifest(quantiles=(0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 1.0)), manifest(quantiles=(), outputs=(0.2, 0.2))]
)
def test_a_model_that_always_answered_so_is_not_stuck(constant):
    assert requests_until_stuck(StuckOutput(constant), [0.25] * 2000, tiny_rows(2000)) is None


def test_of_two_hundred_coarse_models_none_is_called_stuck():
    """Nine answers in ten are the same: far coarser than trees are."""
    for seed in range(200):
        generator = random.Random(seed)
        values = [0.1 if generator.random() < 0.9 else 0.7 for _ in range(5000)]
        assert requests_until_stuck(StuckOutput(manifest()), values, tiny_rows(50) * 100) is None


def test_a_window_forgets_what_is_long_past():
    window = VersionWindow()
    for _ in range(WINDOW_REQUESTS):
        window.failed()
    for number in range(WINDOW_REQUESTS):
        window.answered(number / 1000, 0.25)
    lately = window.lately()
    assert (lately.requests, lately.errors) == (WINDOW_REQUESTS, 0)
    assert lately.latency_p50_seconds == pytest.approx(0.255, abs=0.001)
    assert lately.latency_p99_seconds == pytest.approx(0.506, abs=0.001)
    assert lately.confidence == pytest.approx(0.5)


def test_a_window_that_has_seen_nothing_says_so():
    assert VersionWindow().lately().latency_p50_seconds is None
