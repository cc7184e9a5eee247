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
class Broken:
    """One expectation that some rows break. `rows` are index labels of the frame that was judged."""

    expectation: str
    severity: Severity
    rows: tuple[int, ...]


def judge_rows(suite_file: Path, rows: "pd.DataFrame") -> list[Broken]:
    """The expectations of the suite that `rows` break. `rows` needs a unique integer index.

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
    if batch.validate(suite, result_format="SUMMARY").success:
        return []
    judged = batch.validate(suite, result_format="COMPLETE")  # slower: lists every unexpected row
    return [_broken(result, suite_file) for result in judged.results if not result.success]


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
        if expectation.mostly != 1:
            raise ConfigError(
                f"{path}: {expectation.expectation_type} has mostly, which would let bad rows in; leave it out"
            )
    return suite


def _broken(result: Any, suite_file: Path) -> Broken:
    config = result.expectation_config
    named = ", ".join(str(value) for key, value in config.kwargs.items() if key.startswith("column"))
    name = f"{config.type}({named})"
    if result.exception_info.get("raised_exception") or "unexpected_index_list" not in result.result:
        raise ConfigError(f"{suite_file}: {name} could not be evaluated: {result.exception_info}")
    severity = cast("Severity", str(getattr(config.severity, "value", config.severity)))
    return Broken(name, severity, tuple(result.result["unexpected_index_list"]))
