"""Great Expectations on rows: which rows fail which expectation, and how severe that is.

Suites are row-wise: each expectation reports the rows that fail it. An expectation about the whole batch (a mean, a
count) cannot report rows, and is refused when the suite is read.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from healing.errors import ConfigError
from tasks.ingestion.validation.preload import load_library

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """One expectation, and the rows that fail it, by index label.

    A critical one rejects a batch of which more than the share `tolerated` fails it. The rows are bad in any case.
    """

    expectation: str
    severity: Severity
    rows: tuple[int, ...]
    columns: tuple[str, ...] = ()
    tolerated: float = 0.0


def evaluate_suite(suite_file: Path, rows: "pd.DataFrame") -> list[ExpectationResult]:
    """Every expectation of the suite with the rows that fail it. `rows` needs a unique integer index.

    ConfigError when the suite cannot be read, or holds an expectation that is not about rows.
    """
    batch = _as_batch(rows)
    suite = _read_suite(suite_file)
    is_strict = all(expectation.mostly == 1 for expectation in suite.expectations)
    validated = batch.validate(suite, result_format="BOOLEAN_ONLY" if is_strict else "SUMMARY")
    if is_strict and validated.success:  # no row fails, and each was evaluated
        return [_result_without_failure(each) for each in validated.results]
    if is_strict or any(_failed_rows(result, suite_file) for result in validated.results):
        validated = batch.validate(suite, result_format="COMPLETE")  # slower: lists every failing row
    return [_result(each, suite_file) for each in validated.results]


def _as_batch(rows: "pd.DataFrame") -> Any:
    """The rows as a batch of Great Expectations, in a context that exists only in memory."""
    load_library()
    from great_expectations.data_context import EphemeralDataContext, project_manager
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),  # get_context() would make a directory under /tmp
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = EphemeralDataContext(project_config=config)
    project_manager.set_project(context)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})


def _read_suite(path: Path) -> Any:
    from great_expectations import ExpectationSuite

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        document.pop("meta", None)
        suite = ExpectationSuite(**document)
    except Exception as exc:  # the library raises many kinds for a suite that it cannot read
        raise ConfigError(f"{path}: expected a Great Expectations suite, found {type(exc).__name__}: {exc}") from exc
    named, kept = ([expectation["type"] for expectation in document["expectations"]], len(suite.expectations))
    if kept != len(named):  # the library logs an expectation that it cannot add, and continues without it
        raise ConfigError(f"{path}: expected {len(named)} expectations ({', '.join(named)}), the library knows {kept}")
    for expectation in suite.expectations:
        _check_expectation(path, expectation)
    return suite


def _check_expectation(path: Path, expectation: Any) -> None:
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    name = expectation.expectation_type
    if not isinstance(expectation, ColumnMapExpectation | ColumnPairMapExpectation | MulticolumnMapExpectation):
        raise ConfigError(f"{path}: {name} is not about rows; use row-wise expectations")
    if expectation.mostly != 1 and _severity(expectation) != "critical":
        raise ConfigError(
            f"{path}: {name} has mostly, which sets when a critical expectation rejects the batch; a row that fails a "
            "warning is quarantined in any case, so remove it"
        )


def _failed_rows(result: Any, suite_file: Path) -> int:
    """Number of rows that fail it. ConfigError when it was not evaluated, which the library reports as a result."""
    if result.exception_info.get("raised_exception") or "unexpected_count" not in result.result:
        name = _name(result.expectation_config)
        raise ConfigError(f"{suite_file}: {name} could not be evaluated: {_exception_text(result.exception_info)}")
    return int(result.result["unexpected_count"])


def _exception_text(exception_info: Any) -> str:
    """The library's message; it is one level deeper, keyed by metric, where a metric failed."""
    found = exception_info.get("exception_message")
    deeper = [each["exception_message"] for each in exception_info.values() if isinstance(each, dict)]
    return str(found or "; ".join(deeper) or exception_info)[:400]


def _result_without_failure(result: Any) -> ExpectationResult:
    config = result.expectation_config
    return ExpectationResult(_name(config), _severity(config), (), tuple(_columns(config)))


def _result(result: Any, suite_file: Path) -> ExpectationResult:
    config = result.expectation_config
    rows = result.result["unexpected_index_list"] if _failed_rows(result, suite_file) else ()
    tolerated = 1 - float(config.kwargs.get("mostly", 1))
    return ExpectationResult(_name(config), _severity(config), tuple(rows), tuple(_columns(config)), tolerated)


def _name(config: Any) -> str:
    condition = config.kwargs.get("row_condition")
    condition = condition.get("pass_through_filter") if isinstance(condition, dict) else condition
    return f"{config.type}({', '.join(_columns(config))}{f' where {condition}' if condition else ''})"


def _columns(config: Any) -> list[str]:
    named = [value for key, value in config.kwargs.items() if key.startswith("column")]
    return [str(name) for value in named for name in (value if isinstance(value, list | tuple) else [value])]


def _severity(config: Any) -> Severity:
    return cast("Severity", str(getattr(config.severity, "value", config.severity)))
