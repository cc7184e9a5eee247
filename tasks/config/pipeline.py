"""A pipeline is a folder: `pipeline.yaml`, its expectations, and two Python functions.

This module holds what the YAML may say. Unknown keys are refused with a suggestion, and columns and suites that the
file names are looked up when the pipeline is loaded, so that a flow never finds out halfway.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from healing.ab_rules import LOSS
from healing.errors import ConfigError, UsageError
from healing.incident import Cause
from healing.policy import Policy
from tasks.config.ab_section import Outcome
from tasks.config.alert_routing import AlertRouting
from tasks.config.contract_section import Contract
from tasks.config.log_section import LogSection
from tasks.config.monitor_section import Monitor
from tasks.config.policy_file import POLICY_FILE, LoadedPolicy, read_policy
from tasks.config.policy_section import CauseSection
from tasks.config.release_section import ReleaseRules
from tasks.config.retrain_section import Retrain
from tasks.config.section import Section
from tasks.config.sources_section import Source
from tasks.config.suggestion import did_you_mean
from tasks.config.table import OWN_TABLES, ColumnType, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnType", "Contract", "Pipeline", "Table", "known_pipelines", "load_pipeline"]

_OUTCOME_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")  # as the gateway accepts them
PIPELINE_FILE = "pipeline.yaml"

Output = Literal["probability", "probabilities", "value"]
ClassNames = tuple[str | bool | int, ...]
CLASSES_MIN = 3  # with two, one of them is `positive`
BuildFeatures = Callable[[Mapping[str, "pd.DataFrame"]], "pd.DataFrame"]
BuildEstimator = Callable[[], Any]


class Label(Section):
    """The column that the model predicts, and when its value became known."""

    table: str = Field(description="Name of the table with the label.")
    column: str = Field(description="Column that the model predicts.")
    known_at: str = Field(description="Timestamp column of the same table: when the label became known.")
    positive: str | bool | int | float | None = Field(
        default=None, description="Value that counts as 1, all others as 0; without it the column contains 0 and 1."
    )
    classes: ClassNames = Field(
        default=(),
        description="All values of the label, three or more, where the model predicts one probability per class.",
    )


class Prediction(Section):
    """What the model answers."""

    output: Output = Field(
        default="probability",
        description="probability: of the positive class; probabilities: one for each of `label.classes`; value: the "
        "label is a quantity.",
    )


class Pipeline(Section):
    """A loaded pipeline folder. Make one with `load_pipeline`."""

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="Name of the pipeline and of its folder.")
    description: str = Field(default="", description="One sentence for people.")
    timezone: str = Field(default="UTC", description="IANA time zone; a day is a calendar day there.")
    feed: str | None = Field(
        default=None,
        description="Module of a bundled source that `autopilot up` starts as `${feed}` and `${mirror}`; only for "
        "pipelines without sources of their own.",
    )
    sources: tuple[Source, ...] = Field(
        min_length=1, description="Where batches come from, in the order in which they are requested (sources.md)."
    )
    tables: dict[str, Table] = Field(description="Tables by name, exactly one with `role: batch` (contract.md).")
    contract: Contract = Field(
        default=Contract(), description="Limits beyond which a batch is an incident, and allowed repairs (contract.md)."
    )
    key: str = Field(description="Column that identifies a row of features, predictions and labels.")
    features_path: str = Field(
        alias="features",
        description="`module:function` that builds features from the tables; `.module` is a file of this folder.",
    )
    estimator_path: str = Field(
        alias="estimator", description="`module:function` that returns an unfitted scikit-learn estimator."
    )
    label: Label = Field(description="The column that the model predicts.")
    prediction: Prediction = Field(default=Prediction(), description="What the model answers.")
    segments: tuple[str, ...] = Field(
        default=(), description="Categorical columns of the features; quality is also checked per value of each."
    )
    outcomes: dict[str, Outcome] = Field(
        default_factory=dict,
        description="Numbers that clients report to `/feedback`, by name; an A/B test compares one of them (ab.md).",
    )
    log: LogSection = Field(
        default=LogSection(), description="Which features the gateway logs beside its answers (gateway.md)."
    )
    monitor: Monitor = Field(default=Monitor(), description="Windows and limits of the monitor (monitoring.md).")
    retrain: Retrain = Field(default=Retrain(), description="Training days, refusals and search (retraining.md).")
    release: ReleaseRules = Field(
        default=ReleaseRules(), description="Stages, tolerances and approval of a rollout (releasing.md)."
    )
    own_policy: dict[Cause, CauseSection] = Field(
        default_factory=dict,
        alias="policy",
        description="Policy by cause, where that of policy.yaml does not fit: a section, or a list of remedies "
        "(policy.md).",
    )

    _folder: Path = PrivateAttr()
    _policy: LoadedPolicy = PrivateAttr(default_factory=LoadedPolicy)

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as exc:
            raise ValueError(f"{name!r} is no IANA time zone such as America/New_York") from exc
        return name

    @field_validator("tables")
    @classmethod
    def _have_names_of_their_own(cls, tables: dict[str, Table]) -> dict[str, Table]:
        """Batches and what the system itself stores are tables of one lake."""
        taken = sorted(OWN_TABLES & tables.keys())
        if taken:
            raise ValueError(
                f"expected other names than {', '.join(sorted(OWN_TABLES))}, found {', '.join(taken)}; rename"
            )
        return tables

    @field_validator("outcomes")
    @classmethod
    def _has_outcome_names(cls, outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
        for name in outcomes:
            if name == LOSS or not _OUTCOME_NAME.fullmatch(name):
                raise ValueError(
                    f"expected outcomes named by lower-case letters, digits and _, and not {LOSS!r}, found {name!r}"
                )
        return outcomes

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        batches = [name for name, table in self.tables.items() if table.role == "batch"]
        if len(batches) != 1:
            raise ValueError(f"tables need exactly one with role batch, found {len(batches)}")
        if self.key not in self.tables[batches[0]].columns:
            raise ValueError(f"key {self.key!r} is no column of table {batches[0]!r}")
        labelled = self.tables.get(self.label.table)
        if labelled is None:
            raise ValueError(f"label.table {self.label.table!r} is none of {', '.join(self.tables)}")
        for column in (self.label.column, self.label.known_at, self.key):
            if column not in labelled.columns:
                raise ValueError(f"label needs column {column!r} in table {self.label.table!r}")
        _check_label(self.label, labelled.columns[self.label.column], self.prediction.output)
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"sources need distinct names, found {', '.join(names)}")
        for source in self.sources:
            for name in source.tables:
                if name not in self.tables:
                    raise ValueError(
                        f"source {source.name!r} names table {name!r}; tables are {', '.join(self.tables)}"
                    )
        return self

    @model_validator(mode="after")
    def _compares_an_outcome(self) -> Self:
        if self.release.ab.outcome not in (LOSS, *self.outcomes):
            known = ", ".join((LOSS, *self.outcomes))
            raise ValueError(f"release.ab.outcome {self.release.ab.outcome!r} is none of {known}")
        return self

    @model_validator(mode="after")
    def _logs_what_it_joins(self) -> Self:
        if self.key in self.log.columns:
            raise ValueError(f"log names the key {self.key!r}, by which labels are joined; name other columns")
        for column in self.segments:
            if column in self.log.drop:
                raise ValueError(
                    f"log.drop names {column!r}, which is in segments: a trial compares quality per logged value; put "
                    "it in log.hash, or take it out of segments"
                )
        return self

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def policy(self) -> Policy:
        """What healing may do: policy.yaml, and this pipeline's own section."""
        return self._policy.policy

    @property
    def alert_routing(self) -> AlertRouting:
        """Where messages to people are sent."""
        return self._policy.routing

    @property
    def zone(self) -> ZoneInfo:
        """A day of this pipeline is a calendar day there."""
        return ZoneInfo(self.timezone)

    @property
    def batch_table(self) -> str:
        """The table whose rows are answered for: one row of features each."""
        return next(name for name, table in self.tables.items() if table.role == "batch")

    @cached_property
    def features(self) -> BuildFeatures:
        """Tables by name to one row of features per row of the batch table."""
        return cast("BuildFeatures", self.resolve(self.features_path))

    @cached_property
    def estimator(self) -> BuildEstimator:
        """Makes an unfitted scikit-learn classifier, or a regressor where a value is predicted."""
        return self.resolve(self.estimator_path)

    def resolve(self, reference: str) -> Callable[..., Any]:
        """The function that `module:function` names; a module with a leading dot is a file of this folder.

        ConfigError says which part does not exist.
        """
        module_name, colon, function_name = reference.partition(":")
        if not colon:
            raise ConfigError(
                f"expected module:function, found {reference!r}; write for example .model:build_estimator"
            )
        try:
            module = importlib.import_module(module_name, self._package() if module_name.startswith(".") else None)
        except ModuleNotFoundError as exc:
            raise ConfigError(f"pipeline {self.name}: cannot import {module_name!r} for {reference!r}: {exc}") from exc
        function = getattr(module, function_name, None)
        if not callable(function):
            raise ConfigError(f"pipeline {self.name}: module {module_name!r} has no function {function_name!r}")
        return cast("Callable[..., Any]", function)

    def suite_file(self, table: str) -> Path | None:
        """The table's Great Expectations suite, if it has one."""
        suite = self.tables[table].suite
        return None if suite is None else self.folder / suite

    def reference_file(self, table: str) -> Path | None:
        """What says what is usual in the table, if it has one."""
        reference = self.tables[table].reference
        return None if reference is None else self.folder / reference

    def _package(self) -> str:
        """A package name for the folder, so that its modules import each other wherever the folder lies."""
        name = f"autopilot_pipeline_{self.name.replace('-', '_')}"
        known = sys.modules.get(name)
        if known is None or list(known.__path__) != [str(self.folder)]:
            for stale in [loaded for loaded in sys.modules if loaded == name or loaded.startswith(f"{name}.")]:
                del sys.modules[stale]
            spec = importlib.util.spec_from_loader(name, loader=None, is_package=True)
            assert spec is not None
            package = importlib.util.module_from_spec(spec)
            package.__path__ = [str(self.folder)]
            sys.modules[name] = package
        return name


def _check_label(label: Label, kind: ColumnType, output: Output) -> None:
    """ValueError unless the label's column can be what is predicted."""
    if output == "probabilities":
        _check_classes(label, kind)
    elif label.classes:
        raise ValueError(f"label.classes needs prediction: {{output: probabilities}}, found output: {output}")
    elif output == "value":
        if kind not in ("double", "long") or label.positive is not None:
            raise ValueError(f"a value is predicted, so label {label.column!r} is a double or a long without positive")
    elif kind == "string" and not isinstance(label.positive, str):
        raise ValueError(
            f"label {label.column!r} is text: positive needs the text that counts as 1, in quotes, "
            f"found {label.positive!r}"
        )
    elif isinstance(label.positive, str) and kind != "string":
        raise ValueError(f"label {label.column!r} is a {kind}, so positive is no text, found {label.positive!r}")


def _check_classes(label: Label, kind: ColumnType) -> None:
    """ValueError unless the classes are values of the label's column."""
    expected = {"string": str, "long": int}.get(kind)
    if expected is None or label.positive is not None:
        raise ValueError(
            f"probabilities are predicted, so label {label.column!r} is a string or a long without positive, found a "
            f"{kind}{'' if label.positive is None else f' with positive: {label.positive}'}"
        )
    if len(label.classes) < CLASSES_MIN or len(set(label.classes)) < len(label.classes):
        raise ValueError(
            f"label.classes lists at least {CLASSES_MIN} different values of the label, found {list(label.classes)}; "
            "for two classes set positive"
        )
    for name in label.classes:
        if type(name) is not expected:
            wanted = "texts in quotes" if expected is str else "whole numbers"
            raise ValueError(f"label {label.column!r} is a {kind}, so label.classes are {wanted}, found {name!r}")


def known_pipelines(pipelines_dir: Path) -> list[str]:
    """Names of the folders that hold a pipeline file."""
    return sorted(path.parent.name for path in pipelines_dir.glob(f"*/{PIPELINE_FILE}"))


def load_pipeline(name: str, pipelines_dir: Path, *, reference_needed: bool = True) -> Pipeline:
    """Read and check one pipeline folder; only who writes its references can do without them.

    UsageError lists the known pipelines when there is none of that name; ConfigError names the file, the key and what
    would be right.
    """
    folder = pipelines_dir / name
    path = folder / PIPELINE_FILE
    known = known_pipelines(pipelines_dir)
    if name not in known:
        listed = ", ".join(known) or f"none (no {PIPELINE_FILE} in a folder of {pipelines_dir})"
        raise UsageError(f"unknown pipeline {name!r}; known: {listed}{did_you_mean(name, known)}")
    pipeline = _parse(path, known)
    if pipeline.name != name:
        raise ConfigError(f"{path}: expected name: {name}, as the folder is called, found {pipeline.name!r}")
    pipeline._folder = folder
    for table in pipeline.tables:
        suite = pipeline.suite_file(table)
        if suite is not None and not suite.is_file():
            raise ConfigError(f"{path}: table {table!r} names suite {suite.name!r}, which is not in {folder}")
        named = pipeline.tables[table]
        references = [named.reference] if named.reference and reference_needed else []
        for file in (*references, *named.domains.values()):
            if not (folder / file).is_file():
                raise ConfigError(f"{path}: table {table!r} names {file!r}, which is not in {folder}")
    return pipeline


def _parse(path: Path, pipelines: Sequence[str]) -> Pipeline:
    """The pipeline and its policy; ConfigError has every fault of both."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path}: expected YAML, found {exc}") from exc
    shared = path.parents[1]
    reading = read_policy(shared, raw.get("policy") if isinstance(raw, dict) else None, pipelines)
    problems = [f"{shared / POLICY_FILE}: {fault}" for fault in reading.file_faults]
    problems += [f"{path}: {fault}" for fault in reading.own_faults]
    pipeline = None
    try:
        pipeline = Pipeline.model_validate(raw)
    except ValidationError as exc:
        found = [error for error in exc.errors() if error["loc"][:1] != ("policy",) or not reading.own_faults]
        problems += [f"{path}: {_place(error['loc'])}: {error['msg'].removeprefix('Value error, ')}" for error in found]
    if pipeline is None or problems:
        raise ConfigError("\n".join(problems))
    pipeline._policy = reading.loaded
    return pipeline


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(map(str, loc)) or "top level"
