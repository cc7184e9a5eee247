"""`python -m gateway`: starts the fork server, serves until SIGTERM, drains, exits with 0.

The fork server imports model libraries for more than a second, and a start lasts as long. So it is started before this
process imports anything that takes time.
"""

import sys
from collections.abc import Sequence

from gateway.workers.launch import start_fork_server
from observability.service_output import keep_running_without_output


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 drained, 1 could not start, 2 wrong settings."""
    keep_running_without_output()
    first = start_fork_server()

    from gateway.workers.warm import WarmForks
    from healing.errors import AutopilotError, ConfigError

    forks = WarmForks(first)
    try:
        from gateway.server import run

        run(sys.argv[1:] if arguments is None else arguments, forks)
    except AutopilotError as exc:
        print(f"gateway: {exc}", file=sys.stderr)  # noqa: T201  the one line that a person reads
        return 2 if isinstance(exc, ConfigError) else 1
    finally:
        forks.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
