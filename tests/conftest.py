from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that a test runs logs to the standard error of that test, which is closed when the next one logs."""
    yield
    structlog.reset_defaults()
