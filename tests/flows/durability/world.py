"""A pipeline small enough to be ingested hundreds of times: three tables, three days, one of each kind of problem."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from tasks.lake.lake_table import LakeTable
from tasks.ledger.store import Ledger

SINCE = date(2013, 3, 1)
DAYS = [SINCE + timedelta(days=index) for index in range(3)]
UNTIL = DAYS[-1]
ROWS = 30
TABLES = {"rows": ["id"], "weather": ["station", "at"], "outcomes": ["id"], "features": ["id"]}

_PIPELINE = """
name: small
sources:
  - {{name: primary, kind: files, url: "{source}", attempts: 1}}
tables:
  rows:
    role: batch
    path: /rows/{{day}}.csv
    key: [id]
    event_time: at
    columns: {{id: string, at: timestamp, kind: string, x: double}}
    required: [x]
    renames: {{ident: id}}
    rows_min: 5
  weather:
    role: context
    path: /weather/{{day}}.csv
    key: [station, at]
    event_time: at
    columns: {{station: string, at: timestamp, temp: double}}
    context_days: 1
  outcomes:
    role: labels
    path: /outcomes/{{day}}.csv
    key: [id]
    event_time: known_at
    columns: {{id: string, known_at: timestamp, late: long}}
    rows_min: 5
    context_days: 1
key: id
features: .model:build_features
estimator: .model:build_estimator
label: {{table: outcomes, column: late, known_at: known_at}}
"""

_MODEL = '''
import pandas as pd


def build_features(tables):
    """The row itself, how warm it was since yesterday, and how many outcomes became known since then."""
    rows = tables["rows"].sort_values(["at", "id"], ignore_index=True)
    return rows.rename(columns={"at": "asked_at"}).assign(
        known=[float(len(since_yesterday(tables["outcomes"], "known_at", at))) for at in rows["at"]],
        warmest=[since_yesterday(tables["weather"], "at", at)["temp"].max() for at in rows["at"]],
    )


def since_yesterday(table, time, at):
    """Rows since the day before, as context_days allows, so that a day has the same features alone and with others."""
    first = at.normalize() - pd.Timedelta(days=1)
    return table[(table[time] >= first) & (table[time] <= at)]


def build_estimator():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()
'''


@dataclass(frozen=True)
class World:
    """The folder of a test: the files of the source, and the pipeline that reads them."""

    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def pipelines(self) -> Path:
        return self.folder / "pipelines"

    def build(self) -> "World":
        """Write the pipeline and its source. Day 1 is renamed, day 2 has a bad row, day 3 has too few outcomes."""
        (self.pipelines / "small").mkdir(parents=True)
        (self.pipelines / "small/pipeline.yaml").write_text(_PIPELINE.format(source=self.source))
        (self.pipelines / "small/model.py").write_text(_MODEL)
        for index, day in enumerate(DAYS):
            self.put("rows", day, rows_of(day, bad=index == 1, renamed=index == 0))
            self.put("weather", day, weather_of(day))
            self.put("outcomes", day, outcomes_of(day, 2 if index == 2 else ROWS))
        return self

    def put(self, table: str, day: date, text: str) -> None:
        path = self.source / table / f"{day}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def rows_of(day: date, *, bad: bool = False, renamed: bool = False, x: float = 1.0) -> str:
    lines = [f"{'ident' if renamed else 'id'},at,kind,x"]
    for number in range(ROWS):
        value = "" if bad and number == 3 else str(x * number)
        lines.append(f"{day}-{number:02},{day}T{number % 24:02}:30:00Z,{'ab'[number % 2]},{value}")
    return "\n".join([*lines, ""])


def weather_of(day: date, temp: float = 5.0) -> str:
    lines = [f"S,{day}T{hour:02}:00:00Z,{temp + hour}" for hour in range(24)]
    return "\n".join(["station,at,temp", *lines, ""])


def outcomes_of(day: date, rows: int = ROWS) -> str:
    lines = [f"{day}-{number:02},{day}T{number % 24:02}:45:00Z,{number % 2}" for number in range(rows)]
    return "\n".join(["id,known_at,late", *lines, ""])


def remains(home: Path) -> Mapping[str, object]:
    """Everything that an ingest leaves behind and that does not depend on the time or the number of runs."""
    tables = {name: LakeTable(home / "lake/small", name, key) for name, key in TABLES.items()}
    quarantine = home / "quarantine/small"
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        batches = {
            each.batch_id: (each.received, each.accepted, each.quarantined, each.duplicates, each.status, each.repairs)
            for each in ledger.batches("small")
        }
        incidents = {(each.cause, each.subject, each.status) for each in ledger.incidents("small")}
        features = {day: (each.inputs, each.rows) for day, each in ledger.features("small").items()}
    return {
        "tables": {name: table.read().to_csv() for name, table in tables.items()},
        "batches": batches,
        "incidents": incidents,
        "features": features,
        "quarantine": {
            str(path.relative_to(quarantine)): path.read_bytes() for path in quarantine.rglob("*") if path.is_file()
        },
    }
