"""Evidence: one observation that an incident is opened for or that joins one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from healing.incident import Cause


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation by one observer.

    `observer` names who observed it (`gateway`, `ingest`, `monitor`, `event:<name>`), `cause` what it is evidence of,
    `subject` what it is about (a model digest, a source, a batch), `facts` the measured values.
    """

    pipeline: str
    cause: Cause
    subject: str
    observer: str
    observed_at: datetime
    summary: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
