"""The rules for the rows of one table: its contract, its reference, its closed lists and its expectation suite."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from healing.errors import ConfigError
from tasks.config.contract_section import Contract
from tasks.config.pipeline import Pipeline
from tasks.config.table import Table
from tasks.ingestion.validation.reference import TableReference, read_reference
from tasks.lake.columns import BATCH_DAY

_ARROW_TYPES = {
    "string": pa.string(),
    "double": pa.float64(),
    "long": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class TableRules:
    """What the rows of one table are checked against. `schema` is that of the accepted rows, `suite` a file."""

    table: Table
    contract: Contract
    zone: ZoneInfo
    schema: pa.Schema
    reference: TableReference | None = None
    domains: Mapping[str, frozenset[str]] = field(default_factory=dict)
    suite: Path | None = None


def read_rules(pipeline: Pipeline, table: str) -> TableRules:
    """The rules of one table, with the files that they name; ConfigError when one cannot be read."""
    rules = pipeline.tables[table]
    reference = pipeline.reference_file(table)
    return TableRules(
        table=rules,
        contract=pipeline.contract,
        zone=pipeline.zone,
        schema=lake_schema(rules),
        reference=None if reference is None else read_reference(reference),
        domains={name: read_domain(pipeline.folder / file) for name, file in rules.domains.items()},
        suite=pipeline.suite_file(table),
    )


def lake_schema(table: Table) -> pa.Schema:
    """The table's columns in the lake: those of the contract, and the day of the batch."""
    fields = [(name, _ARROW_TYPES[kind]) for name, kind in table.columns.items()]
    return pa.schema([*fields, (BATCH_DAY, pa.date32())])


@functools.lru_cache(maxsize=32)
def read_domain(path: Path) -> frozenset[str]:
    """The values in a file, one per line; ConfigError when it cannot be read or has none."""
    try:
        values = frozenset(path.read_text(encoding="utf-8").split("\n")) - {""}
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: expected one value per line, found {exc}") from exc
    if not values:
        raise ConfigError(f"{path}: expected one value per line, found none; every row would be bad")
    return values
