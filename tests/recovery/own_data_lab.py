"""A pipeline that `autopilot init` made, on a file or a database, with a healer: no gateway, no worker of Prefect."""

import json
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager

import pandas as pd
import sqlalchemy as sa
import yaml
from sklearn.datasets import load_diabetes

from chaos.ledger import leader_pid, unfinished
from tests.e2e.running_stack import ROOT, autopilot
from tests.gateway.running import wait_until
from tests.recovery.data_lab import LIMITS, READY_SECONDS, SECONDS_MAX, healer, prefect_api, variable

PIPELINE = "diabetes"
FIRST_DAYS = 60
TABLE = "visits"


class OwnDataLab:
    """A source with so many days that all but the newest are ingested."""

    def __init__(self, folder, kind):
        self.kind = kind
        self.home = folder / "home"
        self.pipelines = folder / "pipelines"
        self.file = folder / "data" / "diabetes.csv"
        self.database = folder / "data" / "diabetes.db"
        self.days = FIRST_DAYS
        rows = load_diabetes(as_frame=True, scaled=False).frame
        rows.insert(0, "patient", [f"P{number:03}" for number in range(len(rows))])
        rows.insert(1, "seen_at", pd.date_range("2024-01-01 09:00", periods=len(rows), freq="288min"))
        self._rows = rows

    @property
    def last_day(self):
        return (pd.Timestamp("2024-01-01") + pd.Timedelta(days=self.days - 1)).date().isoformat()

    def write(self):
        """The source as it is now."""
        until = pd.Timestamp("2024-01-01") + pd.Timedelta(days=self.days)
        rows = self._rows[self._rows["seen_at"] < until]
        self.file.parent.mkdir(exist_ok=True)
        if self.kind == "files" or not self.pipelines.exists():
            rows.to_csv(self.file, index=False)
        if self.kind == "sql":
            engine = sa.create_engine(f"sqlite:///{self.database}", poolclass=sa.NullPool)
            with closing(engine.connect()) as connection, connection.begin():
                rows.to_sql(TABLE, connection, index=False, if_exists="replace")

    def renew(self):
        """Add a day to the source, once the drill before is over."""
        wait_until(lambda: not unfinished(self.home / "ledger.db", PIPELINE), "no incident is open", READY_SECONDS)
        self.days += 1
        self.write()

    def configure(self):
        """Change pipeline.yaml as a user would: the database in place of the file, and budgets for several drills."""
        path = self.pipelines / PIPELINE / "pipeline.yaml"
        document = yaml.safe_load(path.read_text())
        if self.kind == "sql":
            tables = {name: {"table": TABLE, "keyset": ["seen_at", "patient"]} for name in document["tables"]}
            url = f"sqlite:///{self.database}"
            document["sources"] = [{"name": "database", "kind": "sql", "url": url, "tables": tables}]
        document["policy"] = {"source_unavailable": {"limits": LIMITS}}
        path.write_text(yaml.safe_dump(document, sort_keys=False))


@contextmanager
def own_data_lab(folder, kind):
    """The lab with a source of `kind`, files or sql; its pipelines directory is set in the environment meanwhile."""
    lab = OwnDataLab(folder, kind)
    lab.home.mkdir()
    lab.write()
    with ExitStack() as running:
        running.enter_context(prefect_api(folder / "prefect"))
        running.enter_context(variable("AUTOPILOT_PIPELINES_DIR", str(lab.pipelines)))
        columns = ("--label", "target", "--time", "seen_at", "--key", "patient")
        command = [sys.executable, "-m", "cli", "init", PIPELINE, "--data", str(lab.file), *columns]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=SECONDS_MAX)
        lab.configure()
        (lab.home / "addresses.json").write_text(json.dumps({}))
        done = autopilot("ingest", PIPELINE, "--until", lab.last_day, home=lab.home, seconds_max=SECONDS_MAX)
        assert done.returncode == 0, done.stderr[-3000:]
        process = running.enter_context(healer(lab.home, PIPELINE))
        services = [{"name": "healer", "pid": process.pid, "started_at": 0.0}]
        (lab.home / "processes.json").write_text(json.dumps({"pipeline": PIPELINE, "services": services}))
        wait_until(lambda: leader_pid(lab.home / "ledger.db", PIPELINE), "a healer leads", READY_SECONDS)
        yield lab
