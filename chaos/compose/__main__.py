"""Write every experiment of the catalogue, and remove those that are no longer in it."""

from chaos.compose.drill import read_catalogue
from chaos.compose.experiment import to_yaml
from chaos.runner import EXPERIMENTS

drills = read_catalogue()
for drill in drills:
    (EXPERIMENTS / f"{drill.name}.yaml").write_text(to_yaml(drill), encoding="utf-8")
for path in EXPERIMENTS.glob("*.yaml"):
    if path.stem not in {drill.name for drill in drills}:
        path.unlink()
