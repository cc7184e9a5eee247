"""Finds the experiment of a drill: a rendered file, a sampled drill, or the experiment that an earlier trial kept."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

from chaos.compose.drill import read_catalogue
from chaos.compose.experiment import to_yaml
from chaos.compose.sampled import sampled_drill
from chaos.spec import DrillSpec, spec_of
from chaos.staging.refusals import planned

__all__ = ["EXPERIMENTS", "EXPERIMENT_FILE", "Experiment", "WrongUsage", "experiments", "find", "planned_faults"]

EXPERIMENTS = Path(__file__).parent / "experiments"
EXPERIMENT_FILE = "experiment.yaml"


class WrongUsage(ValueError):
    """The drill cannot run with these arguments on this stack; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment, as the text of its file, and its promise."""

    name: str
    text: str
    title: str
    spec: DrillSpec


def experiments() -> list[Experiment]:
    """The drills that can be run, by name."""
    return [_read(path) for path in sorted(EXPERIMENTS.glob("*.yaml"))]


def find(name: str) -> Experiment:
    """The drill named `name`, a sampled one such as pair-SEED, or the one recorded in the directory `name`.

    WrongUsage lists the known ones.
    """
    recorded = Path(name) / EXPERIMENT_FILE
    if recorded.is_file():
        text = recorded.read_text(encoding="utf-8")
        return _parse(spec_of(yaml.safe_load(text)).name, text)
    try:
        sampled = sampled_drill(name, read_catalogue())
    except LookupError as exc:
        raise WrongUsage(str(exc)) from exc
    if sampled is not None:
        return _parse(name, to_yaml(sampled))
    path = EXPERIMENTS / f"{name}.yaml"
    known = [each.stem for each in sorted(EXPERIMENTS.glob("*.yaml"))]
    if name not in known:
        close = get_close_matches(name, known, n=3)
        meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise WrongUsage(
            f"expected a drill among {', '.join(known)}, pair-SEED, liveness-SEED or the directory of a trial, "
            f"found {name!r}{meant}"
        )
    return _read(path)


def planned_faults(name: str) -> list[str]:
    """What drill `name` would take leases on, one line per fault; WrongUsage for an unknown drill."""
    content = yaml.safe_load(find(name).text)
    seconds = content["configuration"].get("fault_seconds_max")
    return [
        f"{each.title}{' once a remedy has started' if each.later else ''}, undone after {seconds:.0f} s at most"
        for each in planned(content)
    ]


def _read(path: Path) -> Experiment:
    return _parse(path.stem, path.read_text(encoding="utf-8"))


def _parse(name: str, text: str) -> Experiment:
    content = yaml.safe_load(text)
    return Experiment(name=name, text=text, title=content["title"], spec=spec_of(content))
