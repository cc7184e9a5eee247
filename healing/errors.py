"""The errors of this project, as a tree by what the caller can do about them.

AutopilotError
├── Transient             the same call may work later
│   ├── SourceUnavailable     a data source did not answer, or answered with something that is not data
│   │   ├── NotServed             it answers that it does not have what was asked for
│   │   ├── Truncated             its answer is incomplete
│   │   ├── NotData               its answer has another format than expected
│   │   ├── Oversized             its answer is larger than the limit
│   │   ├── Looping               its redirects or pages form a loop
│   │   └── CircuitOpen           it failed so often that it is not called for a while
│   ├── StoreUnavailable      the lake, the release root or the ledger could not be reached
│   ├── RegistryUnavailable   MLflow could not be reached
│   ├── GatewayUnavailable    the gateway did not answer
│   │   └── GatewayRefused        it answers, but not to this program: its key is missing or wrong
│   └── OrchestratorUnavailable   Prefect's API did not answer
├── Refused               the call cannot work until something changes
│   ├── ConfigError           settings or a pipeline file are wrong
│   ├── UsageError            the command line or a flow parameter is wrong
│   ├── ContractBroken        a batch breaks its contract beyond what policy repairs
│   ├── IllegalTransition     a release or an incident may not change in this way
│   ├── TrainingRefused       training on this data would be wrong
│   ├── PipelinePaused        the pipeline is paused: nothing is ingested, trained or released
│   └── Conflict              another writer was first; read again, then decide again
└── Corrupt               stored bytes are not what was written
    ├── ModelCorrupt          signature, digest or golden output of a model does not match
    └── LogCorrupt            a release document cannot be read or breaks the rules of the log
"""


class AutopilotError(Exception):
    """Every error this project raises on purpose.

    The message says what was expected, what was found, and what to do.
    """


class Transient(AutopilotError):
    """The same call may work later."""


class Refused(AutopilotError):
    """The call cannot work until something changes."""


class Corrupt(AutopilotError):
    """Stored bytes are not what was written."""


class SourceUnavailable(Transient):
    """A data source did not answer in time, or answered with something that is not data.

    `original` holds the refused bytes, if the source sent any, and `suffix` the file type they claim to have.
    """

    def __init__(self, message: str, original: bytes = b"", suffix: str = "") -> None:
        super().__init__(message)
        self.original = original
        self.suffix = suffix


class NotServed(SourceUnavailable):
    """The source answers that it does not have what was asked for. Asking again at once will not help."""


class Truncated(SourceUnavailable):
    """The source's answer is incomplete."""


class NotData(SourceUnavailable):
    """The source's answer has another format than expected, such as an HTML page or broken text."""


class Oversized(SourceUnavailable):
    """The source's answer is larger than the limit of a batch, a row or a field."""


class Looping(SourceUnavailable):
    """The source's redirects or pages form a loop."""


class CircuitOpen(SourceUnavailable):
    """The source failed so often in a row that it is not called for a while."""


class StoreUnavailable(Transient):
    """The lake, the release root or the ledger could not be reached."""


class RegistryUnavailable(Transient):
    """MLflow could not be reached."""


class GatewayUnavailable(Transient):
    """The gateway did not answer."""


class GatewayRefused(GatewayUnavailable):
    """The gateway answers, but refuses this program: its key is missing or wrong, or the gateway takes no probes."""


class OrchestratorUnavailable(Transient):
    """Prefect's API did not answer."""


class ConfigError(Refused):
    """Settings or a pipeline file are wrong."""


class UsageError(Refused):
    """The command line or a flow parameter is wrong."""


class ContractBroken(Refused):
    """A batch breaks its contract beyond what policy repairs."""


class IllegalTransition(Refused):
    """A release or an incident may not change in this way."""


class TrainingRefused(Refused):
    """Training on this data would be wrong: there is too little of it, or an incident about it is open."""


class PipelinePaused(Refused):
    """The pipeline is paused: nothing is ingested, trained or released until somebody resumes it."""


class Conflict(Refused):
    """Another writer was first. Read the state again, then decide again."""


class ModelCorrupt(Corrupt):
    """Signature, digest or golden output of a model does not match its manifest."""


class LogCorrupt(Corrupt):
    """A release document cannot be read or breaks the rules of the log."""
