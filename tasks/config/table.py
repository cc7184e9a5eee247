"""The section `tables:` of pipeline.yaml: what the rows of a table, and a whole day of it, must look like."""

from datetime import time
from string import Formatter
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.config.section import Section
from tasks.config.sources_section import check_path

# Tables of the lake that the system writes itself; a batch with such a name would be merged into them.
OWN_TABLES = frozenset({"checks", "features", "feedback", "feedback_outcomes", "predictions", "shadow"})
ColumnType = Literal["string", "double", "long", "boolean", "timestamp"]
Role = Literal["batch", "context", "labels"]


class Coverage(Section):
    """What a whole day contains. A truncated file, or an extract that lost a part, lacks some of it."""

    since: time | None = Field(
        default=None, description="Latest time of the first row of a day, in the pipeline's time zone."
    )
    until: time | None = Field(
        default=None, description="Earliest time of the last row of a day, in the pipeline's time zone."
    )
    each: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="By column, values of which every day has at least one row."
    )


class Volume(Section):
    """The row count of a day, relative to the median of the same weekday in the weeks before."""

    share_min: float = Field(gt=0, lt=1, description="A smaller share of the usual rows is an incident.")
    share_max: float = Field(default=2.0, gt=1, description="A larger multiple of the usual rows is an incident.")


class NumberFormat(Section):
    """How a source writes numbers, where it is not as in 1234.5."""

    decimal: Literal[".", ","] = Field(default=".", description="Decimal separator.")
    thousands: Literal["", ",", ".", " ", "'"] = Field(
        default="", description="Separator of thousands; a space stands for every kind of space."
    )
    unit: str = Field(
        default="",
        max_length=8,
        description="Sign or code beside every number, such as $ or %; it is left out, and 12% is 12.",
    )

    @model_validator(mode="after")
    def _has_two_separators(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError(f"expected different separators for decimals and thousands, found {self.decimal!r} twice")
        return self


class Table(Section):
    """One table of the sources: what a batch of it must look like."""

    role: Role = Field(
        description="batch: its rows get predictions; context: other inputs of features; labels: outcomes."
    )
    path: str = Field(
        default="/{table}/{day}.csv",
        description="Path of one day's batch below a source's url; {day} stands for the date, or {day:%Y/%m}.",
    )
    key: tuple[str, ...] = Field(min_length=1, description="Columns that identify a row; the newest row wins.")
    event_time: str = Field(description="Timestamp column: when the content of the row became known.")
    columns: dict[str, ColumnType] = Field(description="Type by column.")
    source_names: dict[str, str] = Field(
        default_factory=dict, description="The source's name by column, where it differs."
    )
    formats: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="By timestamp column, its formats where not ISO 8601: strptime formats, unix_s, unix_ms.",
    )
    numbers: dict[str, NumberFormat] = Field(
        default_factory=dict, description="By column of numbers, how the source writes them where not as in 1234.5."
    )
    booleans: dict[str, tuple[str, str]] = Field(
        default_factory=dict,
        description="By boolean column, the texts for true and false where they differ; case does not count.",
    )
    missing: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="By column, texts that mean a missing value, such as '?'."
    )
    required: tuple[str, ...] = Field(
        default=(), description="Columns that need a value in every row; a row without one is bad."
    )
    renames: dict[str, str] = Field(
        default_factory=dict, description="Right name by wrong name, for the repair `rename`."
    )
    units: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="By column, its other units, each with the factor by which its numbers are larger in them.",
    )
    impute: tuple[str, ...] = Field(default=(), description="Columns for the repair `impute`.")
    composed: dict[str, str] = Field(
        default_factory=dict,
        description="By column, the pattern of other columns that gives its text: '{day:%Y-%m-%d}-{carrier}'.",
    )
    determined: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="By column, the columns that determine its value: distance by origin, dest."
    )
    domains: dict[str, str] = Field(
        default_factory=dict, description="By column, a file in the folder with its allowed values, one per line."
    )
    reference: str | None = Field(
        default=None, description="File in the folder with usual values; `autopilot reference` writes it."
    )
    suite: str | None = Field(
        default=None, description="File in the folder with a Great Expectations suite, in the library's JSON."
    )
    rows_min: int = Field(default=0, ge=0, description="A batch with fewer rows is rejected.")
    volume: Volume | None = Field(
        default=None, description="Limits for the row count of a day; without it, the row count is not checked."
    )
    covers: Coverage = Field(default=Coverage(), description="What a whole day contains.")
    distinct_days: bool = Field(
        default=False, description="Whether a day that repeats another, except for keys and times, is rejected."
    )
    context_days: int = Field(
        default=0, ge=0, le=366, description="How many days before its own a row's features may depend on."
    )

    @field_validator("units")
    @classmethod
    def _are_other_units(cls, units: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for column, factors in units.items():
            for unit, factor in factors.items():
                if factor <= 0 or 1 / 1.2 < factor < 1.2:
                    raise ValueError(
                        f"units of {column!r}: expected a factor that differs from 1 by a fifth, found {unit}: {factor}"
                    )
        return units

    @model_validator(mode="after")
    def _names_its_own_columns(self) -> Self:
        named = {
            "key": self.key,
            "event_time": (self.event_time,),
            "required": self.required,
            "renames": tuple(self.renames.values()),
            "source_names": tuple(self.source_names),
            "formats": tuple(self.formats),
            "numbers": tuple(self.numbers),
            "booleans": tuple(self.booleans),
            "missing": tuple(self.missing),
            "units": tuple(self.units),
            "impute": self.impute,
            "composed": (*self.composed, *(part for text in self.composed.values() for part in _parts(text))),
            "determined": (*self.determined, *(by for columns in self.determined.values() for by in columns)),
            "domains": tuple(self.domains),
            "covers.each": tuple(self.covers.each),
        }
        for part, columns in named.items():
            for column in columns:
                if column not in self.columns:
                    raise ValueError(f"{part} names column {column!r}; the columns are {', '.join(self.columns)}")
        if self.columns[self.event_time] != "timestamp":
            raise ValueError(f"event_time {self.event_time!r} is a {self.columns[self.event_time]}, not a timestamp")
        kinds = {"formats": ("timestamp",), "numbers": ("double", "long"), "booleans": ("boolean",)}
        for part, allowed in kinds.items():
            for column in named[part]:
                if self.columns[column] not in allowed:
                    raise ValueError(
                        f"{part} are for {' or '.join(allowed)}, but {column!r} is a {self.columns[column]}"
                    )
        check_path(self.path)
        return self

    @model_validator(mode="after")
    def _has_the_reference_it_needs(self) -> Self:
        for part, columns in {"units": self.units, "impute": self.impute, "determined": self.determined}.items():
            if columns and self.reference is None:
                raise ValueError(f"{part} needs reference: a file that `autopilot reference` writes")
        for column in (*self.units, *self.determined):
            if self.columns[column] not in ("double", "long"):
                raise ValueError(f"units and determined are for numbers, but {column!r} is a {self.columns[column]}")
        return self

    @property
    def needed(self) -> frozenset[str]:
        """Columns that need a value in every row: the required ones, the key and the event time."""
        return frozenset({*self.required, *self.key, self.event_time})

    @property
    def content(self) -> tuple[str, ...]:
        """Columns other than keys and times."""
        return tuple(name for name, kind in self.columns.items() if name not in self.key and kind != "timestamp")


def _parts(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
