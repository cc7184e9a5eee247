"""The settings of the control plane: one class, built at the entry point and passed down.

Flows call `load_settings()` once; tasks take plain values (paths, addresses, names) and never read the environment.
"""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from healing.errors import ConfigError
from observability.service_log import LogFormat, LogLevel
from observability.span_export import traces_address
from releases.release_root import ReleaseRoot, checked_address, directory_of, is_object_address, root_at
from releases.trusted_log import Signatures
from tasks.config.addresses import ADDRESSES_FILE, Addresses, read_addresses

GATEWAY_KEY_FILE = "gateway-operate.key"  # in the key directory


class Settings(BaseSettings):
    """Where the control plane finds its state and its services."""

    model_config = SettingsConfigDict(env_prefix="AUTOPILOT_", frozen=True, extra="ignore")

    home: Path = Field(default=Path("var"), description="Directory that holds all state.")
    memory_bytes_max: int = Field(
        default=1 << 30,
        ge=1 << 26,
        description="Bytes: about how much memory the rows may take that `ingest` validates together, and that `init` "
        "profiles: a thousand bytes per row.",
    )
    pipelines_dir: Path = Field(default=Path("pipelines"), description="Directory with one folder per pipeline.")
    ledger_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL of the ledger (PostgreSQL beyond one machine); without it SQLite in the home.",
    )
    release_root_url: str | None = Field(
        default=None,
        description="Directory or object store (`s3://`, `gs://`, `az://`) of all release roots, one folder per "
        "pipeline; without it a directory in the home.",
    )
    lake_url: str | None = Field(
        default=None,
        description="Directory or object store of all lakes, one folder per pipeline; without it a directory in the "
        "home.",
    )
    mlflow_tracking_uri: str | None = Field(
        default=None, description="MLflow tracking address; without it SQLite in the home."
    )
    prefect_api_url: str | None = Field(
        default=None, description="Address of Prefect's API; without it from addresses.json."
    )
    gateway_url: str | None = Field(
        default=None, description="The gateway's predict address; without it from addresses.json."
    )
    operate_url: str | None = Field(
        default=None, description="The gateway's operate address; without it from addresses.json."
    )
    operate_key: SecretStr | None = Field(
        default=None,
        description="Operate key that the control plane sends to a gateway with keys; without it the key that "
        "`autopilot up` keeps in the home.",
    )
    feed_url: str | None = Field(
        default=None,
        description="Address that `${feed}` stands for in a pipeline's sources; without it from addresses.json.",
    )
    mirror_url: str | None = Field(
        default=None,
        description="Address that `${mirror}` stands for in a pipeline's sources; without it from addresses.json.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file with the certificate authorities of a gateway with TLS; without it the public ones.",
    )
    dispatch: Literal["inline", "deployment"] = Field(
        default="inline",
        description="inline: long remedies run inside `heal`; deployment: as runs of their own deployment.",
    )
    heal_hold_seconds: float | None = Field(
        default=None,
        ge=0,
        le=600,
        description="Replaces the `hold_seconds` of policy.yaml for every cause.",
    )
    heal_learning: bool = Field(
        default=False,
        description="Order the remedies that policy allows by their earlier outcomes; off: as policy lists them.",
    )
    release_signatures: Signatures = Field(
        default=Signatures.IF_PRESENT,
        description="`required`: write no release after one that the release key did not sign, unless that only aborts "
        "a trial; `if-present`: only a wrong signature is refused.",
    )
    alert_urls: tuple[SecretStr, ...] = Field(
        default=(),
        description="JSON list of Apprise URLs: the route `default` of policy.yaml.",
    )

    traces_url: str | None = Field(
        default=None,
        description="OTLP/HTTP address of a collector, such as `http://127.0.0.1:4318`, for the spans of flows and of "
        "the gateway; needs the extra `otel`. Without it nothing is traced.",
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="Least severe log lines that the healer and flow runs write."
    )
    log_format: LogFormat = Field(
        default=LogFormat.AUTO,
        description="`json`: one object per line; `console`: for people; `auto`: `console` on a terminal, else `json`.",
    )

    @field_validator("traces_url")
    @classmethod
    def _collector(cls, url: str | None) -> str | None:
        return None if not url else traces_address(url)

    @field_validator("home", "pipelines_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        """A flow run may start in another directory than the command that requested it."""
        return path.expanduser().absolute()

    @field_validator("prefect_api_url", "gateway_url", "operate_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        """Without a slash at its end: paths are added to it, and a service that answers 404 would count as down."""
        parts = urlsplit(url or "")
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("expected http://HOST:PORT or https://HOST")  # what was found may hold a password
        return url and url.rstrip("/")

    @field_validator("release_root_url", "lake_url")
    @classmethod
    def _is_address(cls, address: str | None) -> str | None:
        """ValueError for an address that no part of the system could open."""
        try:
            return address and (checked_address(address) if is_object_address(address) else address)
        except ConfigError as exc:
            raise ValueError(str(exc)) from exc

    @property
    def ledger_dsn(self) -> str:
        """SQLAlchemy URL of the ledger. May hold a password: do not log it."""
        if self.ledger_url is not None:
            return self.ledger_url.get_secret_value()
        return f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def gateway_key(self) -> str | None:
        """The key for the gateway: the setting, else that of the home; None if there is none. Do not log it."""
        if self.operate_key is not None:
            return self.operate_key.get_secret_value()
        try:
            return self.gateway_key_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    @property
    def gateway_key_file(self) -> Path:
        """The key that a stack gives to its own gateway and control plane, if the gateway has keys."""
        return self.keys_dir / GATEWAY_KEY_FILE

    @property
    def has_ledger(self) -> bool:
        """Whether there is a ledger to read; opening it would create one."""
        return self.ledger_url is not None or (self.home / "ledger.db").exists()

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking address: the setting, else that of the running stack, else SQLite in `home`."""
        return self.addresses().mlflow_tracking_uri or f"sqlite:///{self.mlflow_dir / 'mlflow.db'}"

    @property
    def mlflow_dir(self) -> Path:
        return self.home / "mlflow"

    @property
    def mlflow_artifacts_dir(self) -> Path:
        return self.mlflow_dir / "artifacts"

    @property
    def keys_dir(self) -> Path:
        return self.home / "keys"

    @property
    def reports_dir(self) -> Path:
        return self.home / "reports"

    @property
    def evidently_workspace(self) -> Path:
        """One project per pipeline; `evidently ui --workspace` opens it."""
        return self.home / "evidently"

    @property
    def alerts_file(self) -> Path:
        return self.home / "alerts.jsonl"

    def lake_root(self, pipeline: str) -> ReleaseRoot:
        """Where the pipeline's Delta tables are."""
        return _root(self.lake_url, pipeline, self.home / "lake" / pipeline)

    def lake_dir(self, pipeline: str) -> Path:
        """The directory of this host that belongs to the lake: the locks of its writers."""
        return directory_of(self.lake_root(pipeline))

    def release_root(self, pipeline: str) -> ReleaseRoot:
        """Where the pipeline's release log and models are."""
        return _root(self.release_root_url, pipeline, self.home / "releases" / pipeline)

    def release_dir(self, pipeline: str) -> Path:
        """The directory of this host that belongs to the release root: locks, progress, copies of models."""
        return directory_of(self.release_root(pipeline))

    def backtest_dir(self, pipeline: str) -> Path:
        """Directory of the fits of the pipeline's backtests."""
        return self.home / "backtest" / pipeline

    def quarantine_root(self, pipeline: str) -> Path:
        """Directory of the pipeline's refused batches, original bytes and reason."""
        return self.home / "quarantine" / pipeline

    def sources_dir(self, pipeline: str) -> Path:
        """Directory with the circuit state of each endpoint of the pipeline's sources."""
        return self.home / "sources" / pipeline

    def gateway_dir(self, pipeline: str) -> Path:
        """State directory of the pipeline's gateway (prediction log, cache)."""
        return self.home / "gateway" / pipeline

    def addresses(self) -> Addresses:
        """The services' addresses: each setting where given, else the current content of `addresses.json`.

        Read at every call, because a restarted stack listens on other ports. ConfigError when the file is not JSON.
        """
        given = {
            "prefect": self.prefect_api_url,
            "gateway": self.gateway_url,
            "operate": self.operate_url,
            "feed": self.feed_url,
            "mirror": self.mirror_url,
            "mlflow_tracking_uri": self.mlflow_tracking_uri,
        }
        found = read_addresses(self.home / ADDRESSES_FILE)
        return found.model_copy(update={service: url for service, url in given.items() if url is not None})


def load_settings() -> Settings:
    """Settings from the environment (`AUTOPILOT_*`); ConfigError names the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as exc:
        problems = "; ".join(
            f"AUTOPILOT_{'_'.join(str(part) for part in error['loc']).upper()}: {error['msg']}"
            for error in exc.errors()
        )
        raise ConfigError(f"settings are wrong: {problems}") from exc


def _root(url: str | None, pipeline: str, directory: Path) -> ReleaseRoot:
    """The pipeline's folder at `url`, or `directory` where no address is set."""
    return directory if url is None else root_at(f"{url.rstrip('/')}/{pipeline}", directory)
