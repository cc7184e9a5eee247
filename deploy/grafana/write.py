"""`python -m deploy.grafana.write` writes the JSON of every dashboard beside this file."""

from collections.abc import Callable
from pathlib import Path

from deploy.grafana.healing import healing_dashboard
from deploy.grafana.serving import serving_dashboard

FOLDER = Path(__file__).parent
DASHBOARDS: dict[str, Callable[[], str]] = {"serving.json": serving_dashboard, "healing.json": healing_dashboard}

if __name__ == "__main__":
    for name, build in DASHBOARDS.items():
        (FOLDER / name).write_text(build(), encoding="utf-8")
