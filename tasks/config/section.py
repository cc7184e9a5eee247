"""Base class of the sections of pipeline.yaml: frozen, and unknown keys are refused."""

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """One section of the file. An unknown key is refused, with the most similar known key as a suggestion."""

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
