"""The error tree, by what the caller can do about it.

AutopilotError
├── Transient             the same call may work later
│   ├── SourceUnavailable     a data source did not answer, or answered with garbage
│   │   ├── NotServed             it answers, and says that it does not have this
│   │   ├── Truncated             its answer ended before it was complete
│   │   ├── NotData               its answer is something else than was promised
│   │   ├── Oversized             its answer is larger than a batch may be
│   │   ├── Looping               its redirects or pages lead back to where they began
│   │   └── CircuitOpen           it failed so often that it is left alone for a while
│   ├── StoreUnavailable      the lake, the release root or the ledger could not be reached
│   ├── RegistryUnavailable   MLflow could not be reached
│   ├── GatewayUnavailable    the gateway did not answer
│   └── OrchestratorUnavailable   Prefect's API did not answer
├── Refused               the call is wrong as it stands; something has to change first
│   ├── ConfigError           settings or a pipeline file are wrong
│   ├── UsageError            the command line or a flow parameter is wrong
│   ├── ContractBroken        a batch breaks its contract beyond what policy repairs
│   ├── IllegalTransition     a release or an incident may not go from here to there
│   ├── TrainingRefused       training on this data would be wrong
│   └── Conflict              somebody else won the race; re-read, then decide again
└── Corrupt               stored bytes are not what was written
    ├── ModelCorrupt          signature, digest or golden output of a model does not agree
    └── LogCorrupt            a release document cannot be read or breaks the rules
"""


class AutopilotError(Exception):
    """Every error this project raises on purpose.

    The message says what was expected, what was found, and what to do.
    """


class Transient(AutopilotError):
    """The same call may work later."""


class Refused(AutopilotError):
    """The call is wrong as it stands; something has to change before it can work."""


class Corrupt(AutopilotError):
    """Stored bytes are not what was written."""


class SourceUnavailable(Transient):
    """A data source did not answer in time, or answered with something that is not data.

    `original` holds the bytes it sent, where it sent any that were refused, and `suffix` what they claim to be.
    """

    def __init__(self, message: str, original: bytes = b"", suffix: str = "") -> None:
        super().__init__(message)
        self.original = original
        self.suffix = suffix


class NotServed(SourceUnavailable):
    """The source answers, and says that it does not have this. Asking again at once will not help."""


class Truncated(SourceUnavailable):
    """The source's answer ended before it was complete."""


class NotData(SourceUnavailable):
    """The source's answer is something else than was promised: a page, another format, broken text."""


class Oversized(SourceUnavailable):
    """The source's answer is larger than a batch, a row or a field may be."""


class Looping(SourceUnavailable):
    """The source's redirects or pages lead back to where they began."""


class CircuitOpen(SourceUnavailable):
    """The source failed so often in a row that it is left alone for a while."""


class StoreUnavailable(Transient):
    """The lake, the release root or the ledger could not be reached."""


class RegistryUnavailable(Transient):
    """MLflow could not be reached."""


class GatewayUnavailable(Transient):
    """The gateway did not answer."""


class OrchestratorUnavailable(Transient):
    """Prefect's API did not answer."""


class ConfigError(Refused):
    """Settings or a pipeline file are wrong."""


class UsageError(Refused):
    """The command line or a flow parameter is wrong."""


class ContractBroken(Refused):
    """A batch breaks its contract beyond what policy repairs."""


class IllegalTransition(Refused):
    """A release or an incident may not go from here to there."""


class TrainingRefused(Refused):
    """Training on this data would be wrong: too little of it, or an incident is open on it."""


class Conflict(Refused):
    """Somebody else won the race; re-read the state, then decide again."""


class ModelCorrupt(Corrupt):
    """Signature, digest or golden output of a model does not agree with its manifest."""


class LogCorrupt(Corrupt):
    """A release document cannot be read, or breaks the rules of the log."""
