"""Addresses of the services of a running stack."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from healing.errors import ConfigError

ADDRESSES_FILE = "addresses.json"

Service = Literal["prefect", "gateway", "operate", "feed", "mirror", "mlflow_tracking_uri"]


class Addresses(BaseModel):
    """Where the services of one `autopilot up` listen; it writes them to `addresses.json` in its home."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prefect: str | None = None
    gateway: str | None = None
    operate: str | None = None
    feed: str | None = None
    mirror: str | None = None
    mlflow_tracking_uri: str | None = None

    def require(self, service: Service) -> str:
        """The address of `service`; ConfigError says how to provide it when there is none."""
        address: str | None = getattr(self, service)
        if address is None:
            raise ConfigError(
                f"expected an address for {service}, found none: start `autopilot up`, or set {_variable(service)}"
            )
        return address


def read_addresses(path: Path) -> Addresses:
    """The addresses in the file, none without it; ConfigError when it is not JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Addresses()
    try:
        return Addresses.model_validate_json(text)
    except ValidationError as exc:
        raise ConfigError(
            f"expected addresses of services in {path}, found {exc.errors()[0]['msg']}; "
            "stop the stack, delete the file and start `autopilot up` again"
        ) from exc


def _variable(service: Service) -> str:
    name = service if service == "mlflow_tracking_uri" else f"{service}_url"
    return "AUTOPILOT_PREFECT_API_URL" if service == "prefect" else f"AUTOPILOT_{name.upper()}"
