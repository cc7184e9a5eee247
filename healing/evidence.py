"""Evidence: something observed that may belong to an incident."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from healing.incident import Cause


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation by one observer.

    `observer` names what saw it (`gateway`, `ingest`, `monitor`, `event:<name>`), `cause` what it points to, `subject`
    what it is about (a model digest, a source, a batch), `facts` the numbers.
    """

    pipeline: str
    cause: Cause
    subject: str
    observer: str
    observed_at: datetime
    summary: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
