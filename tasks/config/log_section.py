"""Section of pipeline.yaml for the features that the gateway logs."""

from typing import Self

from pydantic import Field, model_validator

from tasks.config.section import Section


class LogSection(Section):
    """Which features are logged beside each answer, and how. Answers, keys and labels are always logged."""

    drop: tuple[str, ...] = Field(default=(), description="Features whose values are not logged.")
    hash: tuple[str, ...] = Field(
        default=(),
        description="Features that are logged as codes: equal values have equal codes, and only the secret in the key "
        "directory can make them. A missing value stays missing.",
    )
    share: float = Field(
        default=1.0, ge=0, le=1, description="Share of requests whose features are logged; the answers all are."
    )

    @property
    def redacts(self) -> bool:
        """Whether anything is left out of the log."""
        return bool(self.drop or self.hash) or self.share < 1

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are dropped or hashed."""
        return (*self.drop, *self.hash)

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise ValueError(
                f"expected each column once, in drop or in hash, found {', '.join(map(repr, twice))} twice"
            )
        return self
