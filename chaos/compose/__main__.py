"""Write every experiment of the catalogue, remove those that are no longer in it, and render docs/recovery.md."""

from chaos.compose.drill import read_catalogue
from chaos.compose.experiment import to_yaml
from chaos.experiment_files import EXPERIMENTS
from chaos.recovery_page import PAGE, read_baselines, recovery_page

drills = read_catalogue()
for drill in drills:
    (EXPERIMENTS / f"{drill.name}.yaml").write_text(to_yaml(drill), encoding="utf-8")
for path in EXPERIMENTS.glob("*.yaml"):
    if path.stem not in {drill.name for drill in drills}:
        path.unlink()
PAGE.write_text(recovery_page(read_baselines(), drills), encoding="utf-8")
