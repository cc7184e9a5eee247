"""Whether pipeline.yaml and policy.yaml are valid, and the functions that they name can be imported."""

from collections.abc import Iterator

from cli.doctor.examined import Examined, error, warning
from cli.doctor.finding import Finding
from healing.errors import ConfigError
from tasks.config.alert_routing import AlertRouting
from tasks.config.pipeline import Pipeline, load_pipeline

NAME = "configuration"


def find(examined: Examined) -> Iterator[Finding]:
    """One finding per fault of each pipeline."""
    directory = examined.settings.pipelines_dir
    if not examined.pipelines:
        fix = "autopilot init NAME --data FILE --label COLUMN --time COLUMN --key COLUMN"
        yield warning(NAME, directory, "a folder with a pipeline.yaml", "none", fix)
    faults: set[str] = set()
    for pipeline in examined.pipelines:
        try:
            config = load_pipeline(pipeline, directory)
        except ConfigError as exc:
            for fault in str(exc).splitlines():
                if fault not in faults:  # all pipelines share policy.yaml
                    yield error(NAME, pipeline, "valid pipeline.yaml and policy.yaml", fault, "correct the file")
                faults.add(fault)
            continue
        yield from _code_faults(config)
        yield from _routes_without_address(config.alert_routing)


def _code_faults(config: Pipeline) -> Iterator[Finding]:
    """Import what the pipeline names, as the next run does."""
    for key, named in (("features", config.features_path), ("estimator", config.estimator_path)):
        expected = f"{key}: {named} to be importable"
        try:
            config.resolve(named)
        except Exception as exc:  # noqa: BLE001  a module of the user may raise anything
            found = str(exc) if isinstance(exc, ConfigError) else f"{type(exc).__name__}: {exc}"
            yield error(NAME, config.name, expected, found, f"correct the code in {config.folder}")


def _routes_without_address(routing: AlertRouting) -> Iterator[Finding]:
    for name, address in sorted(routing.addresses.items()):
        if address.read() is None:
            expected = f"an address for the alert route {name!r}, in {address}"
            yield warning(NAME, "policy.yaml", expected, "none: messages are kept, not sent", f"set {address}")
