"""A remedy that healing does not use for a while, to show that this remedy is what makes a drill pass."""

import json
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["DisabledRemedy"]


class DisabledRemedy(BaseModel):
    """A file in `home/disabled_remedies/` with an expiry, which policy reads at every decision.

    The expiry is part of the file, so the remedy comes back even if nobody is left to undo the fault.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["disabled_remedy"] = "disabled_remedy"
    home: Path
    remedy: str
    seconds_max: float

    @property
    def title(self) -> str:
        return f"remedy {self.remedy} disabled"

    @property
    def file(self) -> Path:
        return self.home / "disabled_remedies" / f"{self.remedy}.json"

    def inject(self) -> None:
        """Write the file in one step."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        beside = self.file.with_suffix(".tmp")
        beside.write_text(json.dumps({"expires_at": time.time() + self.seconds_max}), encoding="utf-8")
        beside.replace(self.file)

    def undo(self) -> None:
        """Remove the file; one that is gone has nothing to undo."""
        self.file.unlink(missing_ok=True)

    def active(self) -> bool:
        """Whether the file is there and has not expired."""
        try:
            expires_at = float(json.loads(self.file.read_bytes())["expires_at"])
        except (OSError, ValueError, KeyError):
            return False
        return time.time() < expires_at
