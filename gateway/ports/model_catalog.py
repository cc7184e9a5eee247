"""The model of a gateway as the Open Inference Protocol shows it: its loaded versions, their tensors and readiness.

One gateway serves one pipeline, whose name is the model's. A version is a loaded semantic version.
"""

from collections.abc import Iterator
from typing import Any

from gateway.batching.versions import Version
from gateway.ports.open_inference_extensions import EXTENSIONS, repository_index, statistics
from gateway.ports.software import NAME, software_version
from gateway.ports.state import GatewayState
from gateway.routing.active_release import ActiveRelease
from gateway.rows.refusals import NO_RELEASE, BadRequest
from gateway.wire.open_inference import OUTPUT, datatype_of
from releases.manifest import Column, InputSchema
from releases.output import Output

_DATATYPES = {
    "string": "BYTES",
    "double": "FP64",
    "float": "FP32",
    "long": "INT64",
    "integer": "INT32",
    "boolean": "BOOL",
    "datetime": "BYTES",  # in ISO 8601
}


class ModelCatalog:
    """Answers what is not inference. Methods that take a name or a version raise BadRequest where there is none."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self.model = state.settings.pipeline

    def server(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return {"name": NAME, "version": software_version(), "extensions": EXTENSIONS}

    @property
    def ready(self) -> bool:
        return self._state.active is not None

    def model_ready(self, name: str, version: str | None) -> bool:
        """The model is ready while a release is active, because a rung always answers; a version when its worker is."""
        self.check_name(name)
        return self.ready and (version is None or self.version(version).workers.ready)

    def metadata(self, name: str, version: str | None) -> dict[str, Any]:
        """The tensors of a version, by default of the champion, and the loaded versions."""
        self.check_name(name)
        found = self.version(version)
        schema = _schema_of(found)
        return {
            "name": name,
            "versions": list(dict.fromkeys(v.model.version for v in self._versions())),
            "platform": _platform(found),
            "inputs": [_tensor(column) for column in schema.columns],
            "outputs": [_output_tensor(found.output)],
            "parameters": {"key": schema.key} if schema.key else {},
        }

    def index(self, *, ready_only: bool) -> list[dict[str, Any]]:
        """The loaded versions and their states."""
        return repository_index(self.model, self._versions(), ready_only=ready_only)

    def statistics(self, name: str, version: str | None) -> dict[str, Any]:
        """Counts and times of the loaded versions, or of one."""
        self.check_name(name)
        return statistics(name, self._versions() if version is None else [self.version(version)])

    def check_name(self, name: str) -> None:
        """Raise BadRequest unless this is the name of the model."""
        if name != self.model:
            message = f"there is no model {name[:80]!r}; this gateway serves {self.model!r}"
            raise BadRequest(message, status=404, code="NOT_FOUND")

    def version(self, name: str | None) -> Version:
        """The first version of this name, or the champion; BadRequest where there is none."""
        if name is None:
            if self._state.active is None:
                raise BadRequest(NO_RELEASE, status=503, code="NO_RELEASE")
            return self._state.active.champion
        loaded = {version.model.version: version for version in reversed(list(self._versions()))}
        if name not in loaded:
            message = f"version {name[:80]!r} of {self.model!r} is not loaded; there is {', '.join(loaded) or 'none'}"
            raise BadRequest(message, status=404, code="NOT_LOADED")
        return loaded[name]

    def _versions(self) -> Iterator[Version]:
        """The active versions, champion first, then others that are loaded."""
        active = self._state.active
        on_duty = _on_duty(active) if active is not None else []
        yield from on_duty
        yield from (version for version in self._state.versions if version not in on_duty)


def _on_duty(active: ActiveRelease) -> list[Version]:
    challenger = [] if active.challenger is None else [active.challenger]
    return [active.champion, *challenger, *active.fallbacks]


def _schema_of(version: Version) -> InputSchema:
    if version.binder is None:
        message = f"the manifest of version {version.model.version} cannot be read"
        raise BadRequest(message, status=503, code="NOT_READY")
    return version.binder.schema


def _tensor(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "datatype": _DATATYPES[column.type],
        "shape": [-1],
        "parameters": {"nullable": column.nullable},
    }


def _platform(version: Version) -> str:
    return "" if version.manifest is None else version.manifest.flavor.replace("-", "_")


def _output_tensor(output: Output | None) -> dict[str, Any]:
    """`names` are the classes or outputs, in the order of the second dimension, or the labels that it has."""
    shape = [-1, output.width] if output is not None and output.width else [-1]
    tensor: dict[str, Any] = {"name": OUTPUT, "datatype": datatype_of(output), "shape": shape}
    return tensor if output is None else {**tensor, "parameters": {"names": list(output.names)}}
