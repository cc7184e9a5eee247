"""A part of a pipeline's file: frozen, and with no key that nobody reads."""

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A part of the file. A key that it does not know is refused, with the nearest that it does."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, found: Any) -> Any:
        if not isinstance(found, dict):
            return found
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in found:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(sorted(known))}"
                raise ValueError(f"unknown key {key!r}; {hint}")
        return found
