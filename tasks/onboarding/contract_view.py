"""The contract of a pipeline as a person reads it: per table and column the type, and the checks of its suite."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.config.pipeline import Pipeline
from tasks.config.table import Table

_VALUES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class SuiteCheck:
    """The text of one expectation, and its severity."""

    text: str
    severity: str


@dataclass(frozen=True, slots=True)
class ContractColumn:
    """A column of the contract."""

    name: str
    type: str
    is_required: bool
    source_name: str
    checks: tuple[SuiteCheck, ...]


@dataclass(frozen=True, slots=True)
class ContractTable:
    """A table of the contract. `rows` says how many rows a batch may have."""

    name: str
    role: str
    key: str
    event_time: str
    rows: str
    columns: tuple[ContractColumn, ...]


def contract_of(pipeline: Pipeline) -> tuple[ContractTable, ...]:
    """All tables of the pipeline, in the order of pipeline.yaml."""
    return tuple(_table(pipeline, name, table) for name, table in pipeline.tables.items())


def _table(pipeline: Pipeline, name: str, table: Table) -> ContractTable:
    file = pipeline.suite_file(name)
    expectations = [] if file is None else json.loads(file.read_text(encoding="utf-8"))["expectations"]
    columns = tuple(
        ContractColumn(
            column,
            kind,
            column in table.needed,
            table.source_names.get(column, ""),
            tuple(_check(each) for each in expectations if each["kwargs"].get("column") == column),
        )
        for column, kind in table.columns.items()
    )
    return ContractTable(name, table.role, ", ".join(table.key), table.event_time, _rows(table), columns)


def _rows(table: Table) -> str:
    parts = [f"at least {table.rows_min} rows per batch"] if table.rows_min else []
    if table.volume is not None:
        parts.append(f"{table.volume.share_min:g} to {table.volume.share_max:g} times the usual rows")
    return ", ".join(parts) or "any number of rows"


def _check(expectation: Mapping[str, Any]) -> SuiteCheck:
    kwargs = {name: value for name, value in expectation["kwargs"].items() if name != "column"}
    severity = str(expectation.get("severity") or "critical")
    match expectation["type"], kwargs:
        case "expect_column_values_to_be_between", {"min_value": low, "max_value": high}:
            text = f"between {low:g} and {high:g}"
        case "expect_column_values_to_be_in_set", {"value_set": values}:
            more = f" and {len(values) - _VALUES_SHOWN} more" if len(values) > _VALUES_SHOWN else ""
            text = f"one of {', '.join(map(str, values[:_VALUES_SHOWN]))}{more}"
        case kind, _:
            words = kind.removeprefix("expect_column_values_to_").removeprefix("expect_column_").replace("_", " ")
            text = f"{words} {', '.join(f'{name} {value}' for name, value in kwargs.items())}".strip()
    return SuiteCheck(text, severity)
