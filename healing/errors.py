"""The error tree, by what the caller can do about it.

AutopilotError
├── Transient             the same call may work later
│   ├── SourceUnavailable     a data source did not answer, or answered with garbage
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
    """A data source did not answer in time, or answered with something that is not data."""


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
