"""Requests to the supervisor of `autopilot up` to restart one of its services, as files in its home.

A request is written in one step and honoured at most once: the supervisor records the id of the last request per
service before it acts on it, and a request with that id does nothing.
"""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from releases.files import write_atomically
from tasks.runtime.file_locks import is_held

SUPERVISOR_LOCK = "up.lock"  # held by the supervisor while it runs
_FOLDER = "requests"


class RestartRequest(BaseModel):
    """Who asks for which service, and why. The same `id` is the same request."""

    model_config = ConfigDict(frozen=True)

    id: str
    service: str
    by: str
    reason: str


def supervisor_runs(home: Path) -> bool:
    """Whether a supervisor of this machine holds the home."""
    return is_held(home / SUPERVISOR_LOCK)


def request_restart(home: Path, request: RestartRequest) -> bool:
    """Write the request; False if the supervisor has honoured it already. A newer request replaces an older one."""
    if was_honoured(home, request.service, request.id):
        return False
    write_atomically(_file(home, request.service), request.model_dump_json().encode())
    return True


def was_honoured(home: Path, service: str, request_id: str) -> bool:
    """Whether the supervisor has taken up the request with this id."""
    try:
        return bool(json.loads(_honoured(home, service).read_bytes())["id"] == request_id)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def take_request(home: Path, service: str) -> RestartRequest | None:
    """The open request for the service, recorded as honoured; for the supervisor. None without a request."""
    file = _file(home, service)
    try:
        request = RestartRequest.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        file.unlink(missing_ok=True)
        return None
    known = was_honoured(home, service, request.id)
    write_atomically(_honoured(home, service), request.model_dump_json().encode())
    file.unlink(missing_ok=True)
    return None if known else request


def forget_requests(home: Path) -> None:
    """Delete open requests: a supervisor that starts has nothing to restart."""
    for file in (home / _FOLDER).glob("restart-*.json"):
        file.unlink(missing_ok=True)


def _file(home: Path, service: str) -> Path:
    return home / _FOLDER / f"restart-{service}.json"


def _honoured(home: Path, service: str) -> Path:
    return home / _FOLDER / f"honoured-{service}.json"
