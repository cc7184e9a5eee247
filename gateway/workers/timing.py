"""How long a worker may take: to load, to answer, to be silent, to come back."""

from dataclasses import dataclass

from gateway.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class WorkerTiming:
    """Times in seconds; see the settings of the same names."""

    batch_deadline: float
    hang: float
    load_deadline: float
    backoff: float
    backoff_max: float
    deaths_max: int
    aside: float = 60.0  # between two tries of a worker that is set aside while others of its version serve

    @classmethod
    def of(cls, settings: GatewaySettings) -> "WorkerTiming":
        return cls(
            batch_deadline=settings.batch_deadline_seconds,
            hang=settings.hang_seconds,
            load_deadline=settings.load_deadline_seconds,
            backoff=settings.restart_backoff_seconds,
            backoff_max=settings.restart_backoff_max_seconds,
            deaths_max=settings.deaths_max,
        )
