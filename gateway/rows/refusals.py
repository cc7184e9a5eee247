"""Errors of a request; each names the part of the request that is wrong."""

import orjson

from healing.errors import Refused

NO_RELEASE = (
    "there is no release to serve yet: publish a model and release it (autopilot bootstrap), or wait while it loads"
)


class BadRequest(Refused):
    """The request cannot be answered as it stands. `field` names the part of the body that is wrong."""

    def __init__(self, message: str, *, field: str | None = None, status: int = 400, code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.field = field
        self.status = status
        self.code = code


def error_body(code: str, message: str, field: str | None = None) -> bytes:
    """MLflow's error shape, with the field beside it."""
    return orjson.dumps({"error_code": code, "message": message} | ({"field": field} if field else {}))
