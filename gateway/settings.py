"""The gateway's settings: from the command line (`--release-root`), else the environment (`AUTOPILOT_GATEWAY_*`)."""

import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, CliImplicitFlag, NoDecode, SettingsConfigDict

from healing.errors import ConfigError
from observability.service_log import LogFormat, LogLevel
from observability.span_export import traces_address
from releases.release_root import ReleaseRoot, root_at
from releases.trusted_log import Signatures


def _separated(keys: object) -> object:
    """An environment variable holds one string; the command line gives a list."""
    return [key for key in keys.replace(",", " ").split() if key] if isinstance(keys, str) else keys


def _listed(names: object) -> object:
    """Names of columns may contain spaces: they are separated by commas, or a JSON list."""
    if not isinstance(names, str):
        return names
    if names.lstrip().startswith("["):
        try:
            return json.loads(names)
        except ValueError as exc:
            raise ValueError(f"expected names separated by commas, or a JSON list, found {names!r:.80}") from exc
    return [name.strip() for name in names.split(",") if name.strip()]


Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_listed)]
Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_separated)]


class GatewaySettings(BaseSettings):
    """Built once at the entry point and handed down. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="AUTOPILOT_GATEWAY_", frozen=True, extra="ignore")

    pipeline: str = Field(min_length=1, description="Name of the pipeline that is served.")
    release_root: Annotated[str, BeforeValidator(str)] = Field(
        description="Directory, or address in an object store (`s3://bucket/prefix`), with the release log and the "
        "published models."
    )
    public_key: Path = Field(description="PEM file; models signed by another key do not load.")
    state_dir: Path = Field(description="Directory of the prediction log; nothing is written outside it.")
    host: str = Field(default="127.0.0.1", description="IP address to listen on; any but loopback needs keys.")
    port: int = Field(default=8080, ge=0, le=65535, description="Predict port; 0 takes a free one.")
    operate_port: int = Field(default=8081, ge=0, le=65535, description="Operate port; 0 takes a free one.")
    predict_fd: int | None = Field(
        default=None,
        ge=3,
        description="Descriptor of a listening socket that a supervisor holds open, instead of `--host` and `--port`.",
    )
    operate_fd: int | None = Field(default=None, ge=3, description="The same for the operate port.")
    grpc_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port for gRPC, which needs the extra `grpc`; 0 takes a free one. There is none when unset.",
    )
    grpc_fd: int | None = Field(
        default=None, ge=3, description="Descriptor of a listening socket for gRPC, instead of `--grpc-port`."
    )
    standby: CliImplicitFlag[bool] = Field(
        default=False,
        description="While another gateway holds the state directory, load its models, and take over when it ends.",
    )
    tls_cert_file: Path | None = Field(
        default=None,
        description="PEM file with the certificate chain: all ports speak TLS, at least 1.2. Reloaded when it changes.",
    )
    tls_key_file: Path | None = Field(default=None, description="PEM file with the key of the certificate.")
    keys_file: Path | None = Field(
        default=None, description='JSON file with API keys: `{"predict": […], "feedback": […], "operate": […]}`.'
    )
    predict_keys: Keys = Field(
        default=(),
        description="API keys for predictions, separated by commas; command lines are visible, so use the environment.",
    )
    feedback_keys: Keys = Field(default=(), description="API keys for labels; as above.")
    operate_keys: Keys = Field(default=(), description="API keys for everything; as above.")
    oidc_issuer: str | None = Field(
        default=None,
        description="Issuer of tokens (OpenID Connect) that are accepted beside keys; needs the extra `oidc`.",
    )
    oidc_audience: str | None = Field(default=None, description="What the claim `aud` of a token must name.")
    oidc_keys: str | None = Field(
        default=None,
        description="File or https address with the issuer's keys (JWK set); without it from where the issuer says.",
    )
    oidc_scope_claim: str = Field(default="scope", description="Claim with the scopes of a token: a text or a list.")
    oidc_scope_prefix: str = Field(
        default="gateway:", description="Before `predict`, `feedback` and `operate` in the scopes of a token."
    )
    allow_forced_version: bool = Field(
        default=True,
        description="Whether a request may choose the version that answers; with keys it needs an operate key.",
    )
    release_signatures: Signatures = Field(
        default=Signatures.IF_PRESENT,
        description="`required`: a release that the key of `--public-key` did not sign is not served, unless it only "
        "aborts a trial; `if-present`: only a wrong signature is refused.",
    )
    events_url: str | None = Field(default=None, description="Prefect's `<api>/events`; no events are sent when unset.")
    traces_url: str | None = Field(
        default=None,
        description="OTLP/HTTP address of a collector, such as `http://127.0.0.1:4318`, which needs the extra `otel`; "
        "no request is traced when unset.",
    )
    traces_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of requests without a `traceparent` that are traced; with one, its sampled flag decides.",
    )
    log_level: LogLevel = Field(default=LogLevel.INFO, description="Least severe log lines that are written.")
    log_format: LogFormat = Field(
        default=LogFormat.AUTO,
        description="`json`: one object per line; `console`: for people; `auto`: `console` on a terminal, else `json`.",
    )
    events_authorization: SecretStr | None = Field(
        default=None,
        description="Header `Authorization` for the address of events; a secret, so set it in the environment.",
    )
    control_plane_file: Path | None = Field(
        default=None, description="File in which the healer says what the ledger knows, for the status page."
    )
    control_plane_metrics_file: Path | None = Field(
        default=None,
        description="File with the healer's metrics, which `/metrics` of the operate port adds to its own.",
    )
    release_poll_seconds: float = Field(
        default=0.2, ge=0.01, le=60, description="Time between two reads of the release log."
    )
    log_segment_bytes_max: int = Field(
        default=32 * 2**20, ge=4096, description="Size at which a segment of the prediction log is closed, in bytes."
    )
    log_segment_age_seconds_max: float = Field(
        default=3600.0, gt=0, description="Age at which a segment is closed by the next answer."
    )
    log_bytes_max: int = Field(
        default=4 * 2**30,
        ge=8192,
        description="Bytes of each stream of the log that may wait for a drain; above it answers are not logged.",
    )
    log_drop: Names = Field(
        default=frozenset(),
        description="Features that are not logged, by commas or as a JSON list; `log.drop` of pipeline.yaml.",
    )
    log_hash: Names = Field(
        default=frozenset(),
        description="Features that are logged as codes that only the secret can make; `log.hash` of pipeline.yaml.",
    )
    log_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of requests whose features are logged, every answer is; `log.share` of pipeline.yaml.",
    )
    log_key_file: Path | None = Field(
        default=None,
        description="File with the secret for the three settings above; gateways with the same secret make the same "
        "codes.",
    )
    model_audit_seconds: float = Field(
        default=2.0, ge=0.1, le=3600, description="Time between two checks of the published models that are loaded."
    )
    workers_per_version: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Worker processes of each version: the next free one takes the next batch, and the version answers "
        "while one of them is ready.",
    )
    batch_rows_max: int = Field(default=256, ge=1, le=10_000, description="Rows in one micro-batch.")
    batch_wait_seconds_max: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="Longest wait of an idle version for further requests; a single client does not wait.",
    )
    pending_rows_max: int = Field(
        default=8192, ge=1, description="Rows that may wait for one version; above it requests get 503."
    )
    queue_seconds_max: float = Field(
        default=0.5, gt=0, le=60, description="Longest expected wait for a version; above it requests get 503."
    )
    shadow_rows_max: int = Field(
        default=4096, ge=1, description="Copied rows that may wait for the shadow; the rest are dropped and counted."
    )
    body_bytes_max: int = Field(default=8 * 2**20, ge=1024, description="Longest request body, in bytes; else 413.")
    bodies_bytes_max: int = Field(
        default=64 * 2**20, ge=1024, description="Bytes of all request bodies held at once; above it requests get 503."
    )
    outside_training: Literal["name", "refuse", "ignore"] = Field(
        default="name",
        description="A number beyond all that the champion was trained on: `name` its column in `x-outside-training`, "
        "`refuse` the request with 400, or `ignore` it.",
    )
    extra_columns: Literal["name", "refuse", "ignore"] = Field(
        default="name",
        description="Columns of a request that no active version reads: `name` them in `x-ignored-columns`, `refuse` "
        "the request with 400, or `ignore` them.",
    )
    absent_columns: Literal["name", "refuse"] = Field(
        default="name",
        description="Nullable columns that a request does not have count as missing: `name` them in "
        "`x-absent-columns`, or `refuse` the request with 400.",
    )
    batch_deadline_seconds: float = Field(
        default=1.0, gt=0, le=60, description="Time a version has for one batch before the next rung answers."
    )
    request_deadline_seconds: float = Field(
        default=2.5, gt=0, le=120, description="Time all rungs have together before the baseline answers."
    )
    hang_seconds: float = Field(
        default=5.0, gt=0, le=120, description="A worker that is silent this long past its deadline is killed."
    )
    load_deadline_seconds: float = Field(
        default=60.0, gt=0, le=600, description="Time a worker has to load and verify its model."
    )
    restart_backoff_seconds: float = Field(
        default=0.1, gt=0, le=60, description="Wait before the first restart of a worker; doubles each time."
    )
    restart_backoff_max_seconds: float = Field(default=10.0, gt=0, le=600, description="Longest wait for a restart.")
    deaths_max: int = Field(
        default=5, ge=1, le=100, description="Deaths within a minute after which a version is set aside."
    )
    worker_memory_bytes_max: int = Field(
        default=2 * 2**30,
        ge=2**20,
        description="Bytes a worker may grow by after its model is loaded; above it the worker is replaced.",
    )
    trusted_types: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_separated)] = Field(
        default=(),
        description="Importable types that a model may hold beside scikit-learn's own, by commas; their code runs.",
    )
    allow_pyfunc: bool = Field(
        default=False,
        description="Whether MLflow models of any flavour load. Their files run code: this is unsafe unless you trust "
        "everybody who can publish, and for foreign files always.",
    )
    model_slow_multiple: float = Field(
        default=3.0,
        ge=1,
        le=1000,
        description="The champion is slow when half of its batches take longer than this multiple of what 99 % of the "
        "first ones took.",
    )
    model_slow_seconds_min: float = Field(
        default=0.1, gt=0, le=60, description="And if they take longer than this; a restart or rollback may follow."
    )
    trial_slow_seconds_min: float = Field(
        default=0.01,
        ge=0,
        le=60,
        description="In a trial, no answer within this time is slow, however fast the champion is.",
    )
    drain_seconds: float = Field(default=10.0, gt=0, le=300, description="Time running requests have after SIGTERM.")

    @property
    def speaks_grpc(self) -> bool:
        return self.grpc_port is not None or self.grpc_fd is not None

    @property
    def root(self) -> ReleaseRoot:
        """The release root; models of an object store are kept where this gateway keeps its copies."""
        return root_at(self.release_root, self.state_dir / "cache")

    @field_validator("traces_url")
    @classmethod
    def _collector(cls, url: str | None) -> str | None:
        return None if not url else traces_address(url)

    @field_validator("host")
    @classmethod
    def _address(cls, host: str) -> str:
        is_loopback(host)
        return host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; ValueError where it is none."""
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def parse_settings(arguments: Sequence[str]) -> GatewaySettings:
    """Settings from `arguments` and the environment; ConfigError names each one that is wrong or missing."""
    try:
        return GatewaySettings(_cli_parse_args=list(arguments), _cli_prog_name="gateway", _cli_kebab_case=True)
    except ValidationError as exc:
        wrong = "; ".join(f"{_option(error['loc'])}: {error['msg']}" for error in exc.errors())
        raise ConfigError(f"{wrong} (set the option, or AUTOPILOT_GATEWAY_<NAME>; see --help)") from exc


def _option(location: tuple[int | str, ...]) -> str:
    return "--" + ".".join(str(part) for part in location).replace("_", "-")
