"""What `pipeline.yaml` may say of a table: what a batch of it must look like, row by row and as a day."""

from datetime import time
from string import Formatter
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.config.section import Section
from tasks.config.sources_section import check_path

ColumnType = Literal["string", "double", "long", "boolean", "timestamp"]
Role = Literal["batch", "context", "labels"]


class Coverage(Section):
    """What a whole day has. A file that was cut off, or an extract that lost a part, lacks some of it."""

    since: time | None = Field(default=None, description="The first row of a day is no later, on the pipeline's clock.")
    until: time | None = Field(default=None, description="The last row of a day is no earlier.")
    each: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="By column, values of which every day has at least one row."
    )


class Volume(Section):
    """How many rows a day has, against the median of the same weekday in the four weeks before."""

    share_min: float = Field(gt=0, lt=1, description="Fewer than this share of the usual rows are an incident.")
    share_max: float = Field(default=2.0, gt=1, description="More than this multiple of them are one too.")


class Table(Section):
    """One table of the source: what a batch of it must look like."""

    role: Role
    path: str = Field(
        default="/{table}/{day}.csv",
        description="Path of one day's batch below the source's url; {day} stands for the date, or {day:%Y/%m}.",
    )
    key: tuple[str, ...] = Field(min_length=1, description="Columns that identify a row; the newest wins.")
    event_time: str = Field(description="Timestamp column: when what the row tells was known.")
    columns: dict[str, ColumnType]
    source_names: dict[str, str] = Field(
        default_factory=dict, description="Name at the source by column, where it has another there."
    )
    formats: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="How a timestamp column is written where not in ISO 8601: strptime formats, unix_s, unix_ms.",
    )
    missing: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Texts by column that mean that a value is missing, such as '?'."
    )
    required: tuple[str, ...] = Field(default=(), description="Columns in which a missing value is a bad row.")
    renames: dict[str, str] = Field(default_factory=dict, description="Wrong name to right name, where repair may.")
    units: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="By column, other units: how many times larger its numbers are in them."
    )
    impute: tuple[str, ...] = Field(default=(), description="Columns whose missing values repair may fill in.")
    composed: dict[str, str] = Field(
        default_factory=dict, description="By column, the others that its text is made of: '{day:%Y-%m-%d}-{carrier}'."
    )
    determined: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="By column, the others that fix its value: distance by origin and dest."
    )
    domains: dict[str, str] = Field(
        default_factory=dict, description="By column, a file in the folder with the values that there are, one a line."
    )
    reference: str | None = Field(default=None, description="What is usual (JSON, `autopilot reference` writes it).")
    suite: str | None = Field(default=None, description="Great Expectations suite (its own JSON) in the folder.")
    rows_min: int = Field(default=0, ge=0, description="A batch with fewer rows is incomplete.")
    volume: Volume | None = Field(default=None, description="How many rows are usual; unset asks no history.")
    covers: Coverage = Coverage()
    distinct_days: bool = Field(
        default=False, description="No day repeats another but for keys and times; a batch that does is a replay."
    )
    context_days: int = Field(default=0, ge=0, le=366, description="Days before a row's own that features look back.")

    @field_validator("units")
    @classmethod
    def _are_other_units(cls, units: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for column, factors in units.items():
            for unit, factor in factors.items():
                if factor <= 0 or 1 / 1.2 < factor < 1.2:
                    raise ValueError(
                        f"units of {column!r}: {unit} is {factor} times as large, which cannot be told from 1"
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
                    raise ValueError(f"{part} names column {column!r}; columns are {', '.join(self.columns)}")
        if self.columns[self.event_time] != "timestamp":
            raise ValueError(f"event_time {self.event_time!r} is a {self.columns[self.event_time]}, not a timestamp")
        for column in self.formats:
            if self.columns[column] != "timestamp":
                raise ValueError(f"formats are for timestamps, and {column!r} is a {self.columns[column]}")
        check_path(self.path)
        return self

    @model_validator(mode="after")
    def _knows_what_is_usual(self) -> Self:
        for part, columns in {"units": self.units, "impute": self.impute, "determined": self.determined}.items():
            if columns and self.reference is None:
                raise ValueError(f"{part} needs reference: the file that says what is usual; `autopilot reference`")
        for column in (*self.units, *self.determined):
            if self.columns[column] not in ("double", "long"):
                raise ValueError(f"units and determined are for numbers, {column!r} is a {self.columns[column]}")
        return self

    @property
    def needed(self) -> frozenset[str]:
        """Columns in which every row has a value: the required ones, the key and the event time."""
        return frozenset({*self.required, *self.key, self.event_time})

    @property
    def content(self) -> tuple[str, ...]:
        """Columns that say something besides which row it is and when."""
        return tuple(name for name, kind in self.columns.items() if name not in self.key and kind != "timestamp")


def _parts(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
