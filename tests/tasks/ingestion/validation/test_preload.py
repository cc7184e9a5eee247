"""The library is loaded while a slow source is waited for, and not when nothing is waited for."""

import subprocess
import sys
import threading

import pytest

from tasks.ingestion.validation.preload import loaded_while_waiting


def test_a_block_that_waits_has_the_library_loaded_beside_it():
    loaded = threading.Event()
    with loaded_while_waiting(loaded.set):
        assert loaded.wait(30)


def test_a_quick_block_loads_nothing():
    with loaded_while_waiting(lambda: pytest.fail("loaded")):
        pass
    assert not [each for each in threading.enumerate() if isinstance(each, threading.Timer)]


def test_leaving_the_block_waits_for_a_load_that_has_begun():
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def load():
        begun.set()
        go_on.wait(30)
        ended.set()

    with loaded_while_waiting(load):
        begun.wait(30)
        threading.Timer(0.1, go_on.set).start()
    assert ended.is_set()


def test_the_library_is_complete_when_a_thread_loads_it():
    code = """
import sys, time
from tasks.ingestion.validation import preload
preload.PATIENCE_SECONDS = 0.0
with preload.loaded_while_waiting():
    while "great_expectations" not in sys.modules: time.sleep(0.01)
    from great_expectations import ExpectationSuite  # beside the thread that imports it
from great_expectations.data_context import EphemeralDataContext
assert ExpectationSuite(name="s").name == "s" and EphemeralDataContext
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_statements_of_the_ledger_work_while_a_thread_loads_the_library():
    """It imports SQLAlchemy's mapper, which registers itself for the values of all statements before it is complete."""
    code = """
import sys
from enum import StrEnum
from sqlalchemy import column
from tasks.ingestion.validation import preload
class Kind(StrEnum):
    BAD = "bad"
preload.PATIENCE_SECONDS = 0.0
statements = 0
with preload.loaded_while_waiting():
    while "great_expectations.expectations.expectation" not in sys.modules:
        column("kind").in_([Kind.BAD])
        statements += 1
assert statements > 100
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
