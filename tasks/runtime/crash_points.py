"""Named points in flows and tasks. After a kill at any of them, the next run must finish the work."""

import structlog

log = structlog.get_logger(__name__)


def reached(point: str, **keys: object) -> None:
    """Log that the process reached the point. Tests replace this function to kill the process there."""
    log.debug("crash_point_reached", point=point, **keys)
