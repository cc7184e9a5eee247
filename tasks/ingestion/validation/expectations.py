"""Great Expectations as the judge of rows: which row breaks which expectation, and how severe that is.

Suites are row-wise: each expectation can say which rows break it. One about the whole batch (a mean, a count) cannot
tell a row from its neighbours, and is refused when the suite is read.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from healing.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation, and the rows that break it: index labels of the frame that was judged.

    A critical one rejects a batch of which more than `tolerated` (a share) breaks it; the rows are bad in any case.
    """

    expectation: str
    severity: Severity
    rows: tuple[int, ...]
    columns: tuple[str, ...] = ()
    tolerated: float = 0.0


def judge_rows(suite_file: Path, rows: "pd.DataFrame") -> list[Judged]:
    """Every expectation of the suite with the rows that break it. `rows` needs a unique integer index.

    ConfigError when the suite cannot be read, or asks something that is not about rows.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read when the library is imported
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
    suite = _read_suite(suite_file)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
    judged = batch.validate(suite, result_format="SUMMARY")
    if any(_count(result, suite_file) for result in judged.results):
        judged = batch.validate(suite, result_format="COMPLETE")  # slower: lists every unexpected row
    return [_judged(result, suite_file) for result in judged.results]


def _read_suite(path: Path) -> Any:
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        document.pop("meta", None)
        suite = ExpectationSuite(**document)
    except Exception as exc:  # the library raises many kinds for a suite that it cannot read
        raise ConfigError(f"{path}: expected a Great Expectations suite, found {type(exc).__name__}: {exc}") from exc
    asked, kept = ([expectation["type"] for expectation in document["expectations"]], len(suite.expectations))
    if kept != len(asked):  # the library logs what it cannot add, and goes on without it
        raise ConfigError(f"{path}: expected {len(asked)} expectations ({', '.join(asked)}), the library knows {kept}")
    for expectation in suite.expectations:
        if not isinstance(expectation, ColumnMapExpectation | ColumnPairMapExpectation | MulticolumnMapExpectation):
            raise ConfigError(f"{path}: {expectation.expectation_type} is not about rows; use row-wise expectations")
        if expectation.mostly != 1 and _severity(expectation) != "critical":
            raise ConfigError(
                f"{path}: {expectation.expectation_type} has mostly, which says when a critical expectation rejects "
                "the batch; a row that breaks a warning is set aside in any case, so leave it out"
            )
    return suite


def _count(result: Any, suite_file: Path) -> int:
    """How many rows break it. ConfigError when it could not be evaluated, which the library reports as a result."""
    if result.exception_info.get("raised_exception") or "unexpected_count" not in result.result:
        name = _name(result.expectation_config)
        raise ConfigError(f"{suite_file}: {name} could not be evaluated: {_why(result.exception_info)}")
    return int(result.result["unexpected_count"])


def _why(exception_info: Any) -> str:
    """The library's message; it stands one level deeper where a metric failed, keyed by its name."""
    found = exception_info.get("exception_message")
    deeper = [each["exception_message"] for each in exception_info.values() if isinstance(each, dict)]
    return str(found or "; ".join(deeper) or exception_info)[:400]


def _judged(result: Any, suite_file: Path) -> Judged:
    config = result.expectation_config
    rows = result.result["unexpected_index_list"] if _count(result, suite_file) else ()
    tolerated = 1 - float(config.kwargs.get("mostly", 1))
    return Judged(_name(config), _severity(config), tuple(rows), tuple(_columns(config)), tolerated)


def _name(config: Any) -> str:
    condition = config.kwargs.get("row_condition")
    condition = condition.get("pass_through_filter") if isinstance(condition, dict) else condition
    return f"{config.type}({', '.join(_columns(config))}{f' where {condition}' if condition else ''})"


def _columns(config: Any) -> list[str]:
    named = [value for key, value in config.kwargs.items() if key.startswith("column")]
    return [str(name) for value in named for name in (value if isinstance(value, list | tuple) else [value])]


def _severity(config: Any) -> Severity:
    return cast("Severity", str(getattr(config.severity, "value", config.severity)))
